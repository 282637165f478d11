from __future__ import annotations

import asyncio

import pytest
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.errors import AccessDenied
from blinktun.net import happy_eyeballs
from blinktun.net.happy_eyeballs import first_to_connect
from blinktun.net.resolve import Resolver
from blinktun.transports.base import Stream


class FakeStream(Stream):
    def __init__(self, name: str) -> None:
        self.name = name
        self.aborted = False

    @property
    def peer(self) -> str:
        return self.name

    async def receive(self) -> bytes:
        return b""

    async def send(self, data: object) -> None: ...

    async def send_eof(self) -> None: ...

    async def aclose(self) -> None: ...

    def abort(self) -> None:
        self.aborted = True


class Network:
    """Addresses that answer when they may, or fail."""

    def __init__(self, **answers: asyncio.Event | OSError) -> None:
        self.answers = answers
        self.tried: list[str] = []
        self.streams: dict[str, FakeStream] = {}

    async def connect(self, ip: str, _port: int) -> FakeStream:
        self.tried.append(ip)
        answer = self.answers[ip]
        if isinstance(answer, OSError):
            raise answer
        await answer.wait()
        self.streams[ip] = FakeStream(ip)
        return self.streams[ip]


def _at_once() -> asyncio.Event:
    made = asyncio.Event()
    made.set()
    return made


def _never() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture(autouse=True)
def short_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(happy_eyeballs, "_ATTEMPT_DELAY", 0.03)


class Names(Resolver):
    """Knows every name by the same addresses."""

    def __init__(self, *ips: str) -> None:
        super().__init__()
        self.ips = list(ips)

    async def resolve(self, host: str) -> list[str]:
        return self.ips


NAME = Address("name.example", 80)


async def test_literals_are_not_resolved() -> None:
    network = Network(**{"::1": _at_once()})
    assert (await first_to_connect(Address("::1", 80), network.connect, Resolver())).name == "::1"


async def test_a_failure_starts_the_next_at_once() -> None:
    names = Names("a", "b")
    network = Network(a=ConnectionRefusedError(), b=_at_once())
    assert (await first_to_connect(NAME, network.connect, names)).name == "b"


async def test_a_silent_address_does_not_stop_the_next() -> None:
    names = Names("a", "b", "c")
    network = Network(a=_never(), b=_at_once(), c=_never())
    assert (await first_to_connect(NAME, network.connect, names)).name == "b"
    assert network.tried == ["a", "b"]


async def test_a_slow_first_address_may_still_win() -> None:
    names = Names("a", "b")
    slow = asyncio.Event()
    network = Network(a=slow, b=_never())
    connecting = asyncio.create_task(first_to_connect(NAME, network.connect, names))
    await until(lambda: network.tried == ["a", "b"])
    slow.set()
    assert (await connecting).name == "a"


async def test_the_loser_is_aborted() -> None:
    names = Names("a", "b")
    gate = asyncio.Event()
    network = Network(a=_at_once(), b=_at_once())
    connect = network.connect

    async def together(ip: str, port: int) -> FakeStream:
        if ip == "b":
            gate.set()
        await gate.wait()
        return await connect(ip, port)

    winner = await first_to_connect(NAME, together, names)
    assert set(network.streams) == {"a", "b"}
    losers = [stream for stream in network.streams.values() if stream is not winner]
    assert not winner.aborted
    assert all(stream.aborted for stream in losers)


async def test_the_first_failure_is_reported() -> None:
    names = Names("a", "b")
    network = Network(a=ConnectionRefusedError("first"), b=OSError("second"))
    with pytest.raises(ConnectionRefusedError, match="first"):
        await first_to_connect(NAME, network.connect, names)


async def test_only_permitted_addresses_are_tried() -> None:
    names = Names("a", "b")
    network = Network(a=_at_once(), b=_at_once())
    stream = await first_to_connect(NAME, network.connect, names, lambda _name, ip: ip == "b")
    assert stream.name == "b"
    assert network.tried == ["b"]
    with pytest.raises(AccessDenied, match=r"name\.example leads to addresses"):
        await first_to_connect(NAME, network.connect, names, lambda _name, _ip: False)
