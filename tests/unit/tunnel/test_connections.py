from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tests.unit.waiting import until

from blinktun.testing.scripted import ScriptedStream
from blinktun.tunnel.connections import LOOK, QUIET, Connections

if TYPE_CHECKING:
    import pytest

    from blinktun.transports.base import Stream


async def _short(_stream: Stream) -> None:
    await asyncio.sleep(0)


async def _long(_stream: Stream) -> None:
    await asyncio.Event().wait()


async def test_grace_lets_short_ones_end_and_cancels_the_rest() -> None:
    connections = Connections()
    ended: list[str] = []

    async def note(stream: Stream) -> None:
        await _short(stream)
        ended.append("short")

    long = ScriptedStream()
    connections.add(ScriptedStream(), note)
    connections.add(long, _long)
    assert len(connections) == 2
    await connections.stop(0.1)
    assert ended == ["short"]
    assert len(connections) == 0
    assert long.aborted


async def test_a_task_that_never_began_closes_its_stream() -> None:
    connections = Connections()
    stream = ScriptedStream()
    connections.add(stream, _long)
    await connections.stop(0)
    assert stream.aborted


async def test_nothing_is_taken_after_stop() -> None:
    connections = Connections()
    await connections.stop(0)
    stream = ScriptedStream()
    connections.add(stream, _long)
    assert stream.aborted
    assert len(connections) == 0


async def test_a_bug_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_stream: Stream) -> None:
        raise ZeroDivisionError("oops")

    connections = Connections()
    with caplog.at_level(logging.ERROR):
        connections.add(ScriptedStream(), broken)
        await until(lambda: not connections)
    assert "ended with a bug" in caplog.text
    assert "oops" in caplog.text


class Timed(ScriptedStream):
    """A stream that says for how long it has been idle."""

    def __init__(self, idle: float, *, owes_answer: bool = False) -> None:
        super().__init__()
        self.seconds = idle
        self.owes_answer = owes_answer

    @property
    def idle(self) -> float:
        return self.seconds


async def test_stop_ends_at_once_what_cannot_end_by_itself() -> None:
    connections = Connections()
    idle, busy, asked, held = Timed(60), Timed(0), Timed(60, owes_answer=True), Timed(0)
    for stream in (idle, busy, asked, held):
        connections.add(stream, _long)
    stopping = asyncio.create_task(connections.stop(1000, lambda: {held}))
    await until(lambda: idle.aborted and held.aborted)
    assert not busy.aborted
    assert not asked.aborted
    busy.seconds = QUIET  # its transfer has come to its end
    await until(lambda: busy.aborted)
    asked.owes_answer = False
    await until(lambda: asked.aborted)
    await stopping


async def test_stop_ends_a_connection_only_once() -> None:
    connections = Connections()
    cancelled: list[int] = []
    may_end = asyncio.Event()

    async def slow_to_end(_stream: Stream) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(1)
            await may_end.wait()

    connections.add(Timed(60), slow_to_end)
    await asyncio.sleep(0)
    stopping = asyncio.create_task(connections.stop(1000))
    await until(lambda: cancelled)
    await asyncio.sleep(3 * LOOK)
    assert cancelled == [1]
    may_end.set()
    await stopping
