"""Speed limits, on a clock that only sleeping moves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from blinktun.errors import TransportError
from blinktun.testing.duplex import DuplexStream
from blinktun.testing.loopback import read_all
from blinktun.testing.scripted import ScriptedStream
from blinktun.tunnel.paced_stream import Pace, PacedStream, paced

if TYPE_CHECKING:
    from blinktun.transports.base import Stream


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def _paced(stream: Stream, rate: int) -> tuple[PacedStream, Clock]:
    clock = Clock()
    return PacedStream(stream, rate, clock=clock, sleep=clock.sleep), clock


@pytest.mark.parametrize("rate", [1, 7, 1024, 10 << 10, 1 << 20, 5 << 30])
@pytest.mark.parametrize("chunks", [[1] * 50, [300], [7, 40, 200]])
async def test_never_faster_and_nothing_lost(rate: int, chunks: list[int]) -> None:
    script = [bytes((n & 255,)) * size for n, size in enumerate(chunks)]
    stream, clock = _paced(ScriptedStream(script), rate)
    data = b""
    while part := await stream.receive():
        data += part
        assert len(data) <= rate * (clock.now - 1000 + 0.1) + 1
    assert data == b"".join(script)
    assert clock.now - 1000 <= len(data) / rate + 1
    assert await stream.receive() == b""


async def test_a_pause_earns_no_credit() -> None:
    stream, clock = _paced(ScriptedStream([bytes(500), bytes(500)]), 100)
    clock.now += 1000
    started = clock.now
    await read_all(stream)
    assert clock.now - started >= 1000 / 100 - 0.11


async def test_cancelling_loses_nothing() -> None:
    stream = PacedStream(ScriptedStream([b"abcdefgh"]), 10)
    parts = []
    for _ in range(200):
        try:
            async with asyncio.timeout(0.03):
                parts.append(await stream.receive())
        except TimeoutError:
            continue
        if not parts[-1]:
            break
    assert b"".join(parts) == b"abcdefgh"


async def test_failures_and_everything_else_pass_through() -> None:
    wire = ScriptedStream([TransportError("reset")])
    stream, _ = _paced(wire, 10)
    with pytest.raises(TransportError, match="reset"):
        await stream.receive()
    await stream.send(b"x")
    await stream.send_eof()
    await stream.aclose()
    stream.abort()
    assert (wire.sent, wire.eof_sent, wire.closed, wire.aborted) == (b"x", True, True, True)
    assert (stream.peer, stream.local) == ("script", None)


async def test_the_sender_is_held_up_and_not_stored() -> None:
    near, far = DuplexStream.pair(limit=100)
    stream, _ = _paced(near, 10)
    sending = asyncio.create_task(far.send(bytes(300)))
    for _ in range(50):
        await stream.receive()
    more = asyncio.create_task(far.send(bytes(200)))
    await asyncio.sleep(0.01)
    assert not more.done()
    for _ in range(450):
        await stream.receive()
    await asyncio.gather(sending, more)


def test_no_limit_no_wrapper() -> None:
    wire = ScriptedStream()
    assert paced(wire, None) is wire
    assert isinstance(paced(wire, 5), PacedStream)


def test_pace() -> None:
    pace = Pace(100, 5.0)
    assert pace.slice == 10
    assert pace.delay(5.0) <= 0
    pace.charge(50, 5.0)
    assert pace.delay(5.0) == pytest.approx(0.5)
    pace.charge(50, 5.0)
    assert pace.delay(5.25) == pytest.approx(0.75)
    pace.charge(10, 99.0)
    assert pace.delay(99.0) == pytest.approx(0.1)
