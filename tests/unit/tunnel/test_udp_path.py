from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.config.model import PresetSpec, ServerLink
from blinktun.errors import RemoteError
from blinktun.net.resolve import Resolver
from blinktun.net.udp import UdpSocket
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.registry import PipelineMaker
from blinktun.testing.loopback import answering
from blinktun.tunnel.udp_path import Path, RenewedPath, udp_path_maker

if TYPE_CHECKING:
    from blinktun.presets.pipeline import Pipeline

if TYPE_CHECKING:
    import pytest

PRESETS = (PresetSpec("ss-base"), PresetSpec("ss-aead-cipher"))
TARGET = Address("example.com", 53)
Answers = asyncio.Queue[tuple[Address, bytes]]


def _path(server: Address) -> tuple[Path, Answers]:
    answers: Answers = asyncio.Queue()
    link = ServerLink("tcp", server, "secret", PRESETS)
    make = udp_path_maker(link, PipelineMaker(PRESETS), Resolver())
    return make(lambda *got: answers.put_nowait(got)), answers


async def test_there_and_back_by_name() -> None:
    server = PipelineMaker(PRESETS)(PresetContext(Role.SERVER, "secret"))

    def answer(data: bytes) -> bytes:
        target, payload = server.decode_datagram(data)
        assert target == TARGET
        return server.encode_datagram(payload.upper(), target)

    async with answering(answer) as address:
        path, answers = _path(Address("localhost", address.port))
        for payload in (b"early", b"", b"late"):
            path.send(TARGET, payload)
            assert await asyncio.wait_for(answers.get(), 10) == (TARGET, payload.upper())
        path.close()


async def test_an_address_of_the_server_without_a_route_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def resolve(_resolver: Resolver, _host: str, **_: bool) -> list[str]:
        return ["255.255.255.255", "127.0.0.1"]

    monkeypatch.setattr(Resolver, "resolve", resolve)
    async with answering(bytes) as address:
        path, answers = _path(Address("two.example", address.port))
        path.send(TARGET, b"hello")
        assert await asyncio.wait_for(answers.get(), 10)
        path.close()


async def test_answers_that_are_none() -> None:
    async with answering(lambda _data: b"noise") as address:
        path, answers = _path(address)
        path.send(TARGET, b"hello")
        path.send(Address("x" * 300, 1), b"does not fit")
        await asyncio.sleep(0.05)
        assert answers.empty()
        path.close()
        path.send(TARGET, b"late")


async def test_no_server(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    path, _ = _path(Address("no-such-name.invalid", 53))
    for _ in range(100):
        path.send(TARGET, b"x")
    await until(lambda: caplog.messages)
    assert caplog.messages[0].startswith("no UDP to no-such-name.invalid:53: ")
    path.close()


async def test_chained_datagrams_survive_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RenewedPath, "_LIFE", 0.2)
    presets = (PresetSpec("base-auth"),)
    answers: Answers = asyncio.Queue()
    servers: dict[Address, Pipeline] = {}
    seen = 0

    def receive(data: bytes, source: Address) -> None:
        nonlocal seen
        seen += 1
        if seen == 2:  # lost on its way
            return
        if source not in servers:
            servers[source] = PipelineMaker(presets)(PresetContext(Role.SERVER, "secret"))
        with contextlib.suppress(RemoteError):
            target, payload = servers[source].decode_datagram(data)
            assert target == TARGET
            server.send(servers[source].encode_datagram(payload.upper(), target), source)

    server = UdpSocket.listen(Address("127.0.0.1", 0), receive)[0]
    link = ServerLink("tcp", server.address, "secret", presets)
    make = udp_path_maker(link, PipelineMaker(presets), Resolver())
    path = make(lambda *got: answers.put_nowait(got))
    path.send(TARGET, b"first")
    assert await asyncio.wait_for(answers.get(), 10) == (TARGET, b"FIRST")
    async with asyncio.timeout(10):
        while answers.empty():
            path.send(TARGET, b"again")
            await asyncio.sleep(0.02)
    assert await answers.get() == (TARGET, b"AGAIN")
    assert len(servers) == 2
    path.close()
    server.close()
