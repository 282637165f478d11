from __future__ import annotations

import asyncio

import pytest
from tests.unit.waiting import until

from blinktun.net import happy_eyeballs
from blinktun.net.happy_eyeballs import first_to_connect


class FakeStream:
    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Network:
    """Addresses that answer when they may, or fail."""

    def __init__(self, **answers: asyncio.Event | OSError) -> None:
        self.answers = answers
        self.tried: list[str] = []
        self.streams: dict[str, FakeStream] = {}

    async def connect(self, ip: str) -> FakeStream:
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


async def test_a_failure_starts_the_next_at_once() -> None:
    network = Network(a=ConnectionRefusedError(), b=_at_once())
    assert (await first_to_connect(["a", "b"], network.connect)).name == "b"


async def test_a_silent_address_does_not_stop_the_next() -> None:
    network = Network(a=_never(), b=_at_once(), c=_never())
    assert (await first_to_connect(["a", "b", "c"], network.connect)).name == "b"
    assert network.tried == ["a", "b"]


async def test_a_slow_first_address_may_still_win() -> None:
    slow = asyncio.Event()
    network = Network(a=slow, b=_never())
    connecting = asyncio.create_task(first_to_connect(["a", "b"], network.connect))
    await until(lambda: network.tried == ["a", "b"])
    slow.set()
    assert (await connecting).name == "a"


async def test_the_loser_is_closed() -> None:
    gate = asyncio.Event()
    network = Network(a=_at_once(), b=_at_once())
    connect = network.connect

    async def together(ip: str) -> FakeStream:
        if ip == "b":
            gate.set()
        await gate.wait()
        return await connect(ip)

    winner = await first_to_connect(["a", "b"], together)
    assert set(network.streams) == {"a", "b"}
    losers = [stream for stream in network.streams.values() if stream is not winner]
    assert not winner.closed
    assert all(stream.closed for stream in losers)


async def test_the_first_failure_is_reported() -> None:
    network = Network(a=ConnectionRefusedError("first"), b=OSError("second"))
    with pytest.raises(ConnectionRefusedError, match="first"):
        await first_to_connect(["a", "b"], network.connect)
