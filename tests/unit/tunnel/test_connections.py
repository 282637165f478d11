from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tests.unit.waiting import until

from blinktun.testing.scripted import ScriptedStream
from blinktun.tunnel.connections import Connections

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
