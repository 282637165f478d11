from __future__ import annotations

import asyncio
import gc
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import dns.flags
import dns.message
import dns.rrset
import pytest
from tests.unit.waiting import until

from blinktun.config.model import Dns
from blinktun.net import resolve as room
from blinktun.net.resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RECORDS = {
    ("both.example.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("both.example.", "AAAA"): ["2001:db8::1"],
    ("four.example.", "A"): ["192.0.2.4"],
}


class Server(asyncio.DatagramProtocol):
    """A name server."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text().lower(), question.to_text().split()[-1]
        self.asked.append(f"{kind} {name}")
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if records := RECORDS.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *records))
        elif name not in {known for known, _ in RECORDS}:
            answer.set_rcode(3)  # type: ignore[arg-type]  # NXDOMAIN
        self.transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def _server() -> AsyncIterator[tuple[Server, int]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(Server, ("127.0.0.1", 0))
    try:
        yield server, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


async def test_literals_are_not_asked_for() -> None:
    assert await Resolver().resolve("::1") == ["::1"]
    assert await Resolver().resolve("192.0.2.1") == ["192.0.2.1"]


async def test_the_systems_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(*_args: object, **_kwargs: object) -> list[object]:
        four, six = socket.AF_INET, socket.AF_INET6
        answers = [(six, "::1"), (six, "::2"), (four, "192.0.2.1"), (six, "::1")]
        return [(family, 1, 6, "", (ip, 0)) for family, ip in answers]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    assert await Resolver().resolve("name.example") == ["::1", "192.0.2.1", "::2"]


async def test_no_such_name() -> None:
    with pytest.raises(OSError, match=r"\w"):
        await Resolver().resolve("no-such-name.invalid")
    with pytest.raises((OSError, ValueError), match=r"\w"):
        await Resolver().resolve("x" * 70 + ".invalid")


async def test_named_servers_are_asked() -> None:
    async with _server() as (server, port):
        resolver = Resolver(Dns(("127.0.0.1",)), port=port)
        found = await resolver.resolve("both.example")  # rrsets have no order
        assert found[1] == "2001:db8::1"
        assert {found[0], found[2]} == {"192.0.2.1", "192.0.2.2"}
        assert await resolver.resolve("four.example") == ["192.0.2.4"]
        assert await resolver.resolve("localhost") == ["127.0.0.1", "::1"]
        with pytest.raises(OSError, match="does not resolve"):
            await resolver.resolve("none.example")
        with pytest.raises((OSError, ValueError), match=r"\w"):
            await resolver.resolve("x" * 70 + ".example")
        assert "A four.example." in server.asked


async def test_a_silent_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_LIFETIME", 0.2)
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with silent:
        silent.bind(("127.0.0.1", 0))
        resolver = Resolver(Dns(("127.0.0.1",)), port=silent.getsockname()[1])
        with pytest.raises(OSError, match="does not resolve"):
            await resolver.resolve("four.example")


@pytest.mark.parametrize(("expire", "questions"), [(60, 1), (0, 2)])
async def test_answers_are_kept_for_a_while(expire: float, questions: int) -> None:
    now = 0.0
    async with _server() as (server, port):
        resolver = Resolver(Dns(("127.0.0.1",), expire), port=port, clock=lambda: now)
        for _ in range(2):
            await resolver.resolve("Four.example.")
        assert server.asked.count("A four.example.") == questions
        now = 61.0
        await resolver.resolve("four.example")
        assert server.asked.count("A four.example.") == questions + 1


async def test_many_ask_once() -> None:
    async with _server() as (server, port):
        resolver = Resolver(Dns(("127.0.0.1",)), port=port)
        await asyncio.gather(*(resolver.resolve("four.example") for _ in range(20)))
        assert server.asked.count("A four.example.") == 1


async def test_no_more_names_are_kept_than_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_MAX_NAMES", 1)
    async with _server() as (server, port):
        resolver = Resolver(Dns(("127.0.0.1",)), port=port)
        for name in ("four.example", "both.example", "four.example"):
            await resolver.resolve(name)
        assert server.asked.count("A four.example.") == 2


async def test_a_failure_that_nobody_waits_for_any_more_is_no_bug() -> None:
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, told: reported.append(told))
    gone = asyncio.Event()

    async def lookup(_host: str) -> list[str]:
        await gone.wait()
        raise OSError("late")

    resolver = Resolver()
    resolver._lookup = lookup
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await resolver.resolve("late.example")
    gone.set()
    await until(lambda: not resolver._asking)
    gc.collect()
    assert not reported
