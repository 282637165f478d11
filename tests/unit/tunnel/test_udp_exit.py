from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.net.resolve import Resolver
from blinktun.testing.loopback import answering
from blinktun.tunnel import udp_exit as room
from blinktun.tunnel.udp_exit import UdpExit

if TYPE_CHECKING:
    import pytest

Answers = asyncio.Queue[tuple[Address, bytes]]


def _exit() -> tuple[UdpExit, Answers]:
    answers: Answers = asyncio.Queue()
    return UdpExit(Resolver(), lambda *got: answers.put_nowait(got)), answers


async def test_addresses_and_names_answer_as_they_were_asked() -> None:
    way, answers = _exit()
    async with answering(bytes.upper) as four, answering(bytes.swapcase, "::1") as six:
        for target in (four, six, Address("localhost", four.port)):
            way.send(target, b"Ab")
            source, payload = await asyncio.wait_for(answers.get(), 10)
            assert source.port == target.port
            assert source in {target, Address("127.0.0.1", four.port)}
            assert payload == (b"aB" if target == six else b"AB")
    way.close()


async def test_an_address_of_a_name_without_a_route_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def resolve(_resolver: Resolver, _host: str, **_: bool) -> list[str]:
        return ["255.255.255.255", "127.0.0.1"]

    monkeypatch.setattr(Resolver, "resolve", resolve)
    way, answers = _exit()
    async with answering(bytes.upper) as where:
        target = Address("two.example", where.port)
        way.send(target, b"a")
        assert await asyncio.wait_for(answers.get(), 10) == (target, b"A")
    way.close()


async def test_names_that_do_not_resolve_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_MAX_ASKING", 3)
    way, answers = _exit()
    for _ in range(10):
        way.send(Address("no-such-name.invalid", 1), b"x")
    assert len(way._asking) == 3
    await until(lambda: not way._asking, within=20)
    assert answers.empty()
    way.close()


async def test_no_more_names_are_kept_than_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_MAX_NAMES", 2)
    way, _ = _exit()
    for port in range(1, 6):
        way.send(Address("localhost", port), b"x")
    await until(lambda: not way._asking)
    assert len(way._names) == 2
    way.close()
    way.send(Address("127.0.0.1", 1), b"late")


async def test_a_name_leads_nowhere_it_may_not() -> None:
    answers: Answers = asyncio.Queue()
    way = UdpExit(
        Resolver(),
        lambda *got: answers.put_nowait(got),
        lambda target, ip: target.host == "localhost" and ip != "127.0.0.1",
    )
    async with answering(bytes.upper) as target:
        way.send(Address("localhost", target.port), b"x")
        await until(lambda: not way._asking)
        await asyncio.sleep(0.05)
        assert answers.empty()
    way.close()
