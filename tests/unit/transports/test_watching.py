from __future__ import annotations

import asyncio

import pytest

from blinktun.errors import TransportError
from blinktun.testing.scripted import ScriptedStream
from blinktun.transports.watching import unless_broken


class Watched(ScriptedStream):
    on_broken = None

    def watch(self, on_broken: object) -> None:
        self.on_broken = on_broken


async def test_the_watcher_is_gone_behind_the_work() -> None:
    stream = Watched()
    assert await unless_broken(stream, asyncio.sleep(0, 5)) == 5
    assert stream.on_broken is None


async def test_a_break_cancels_the_work() -> None:
    stream, ended = Watched(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.ensure_future(unless_broken(stream, work()))
    await asyncio.sleep(0)
    assert callable(stream.on_broken)
    stream.on_broken()
    with pytest.raises(TransportError, match="gone"):
        await task
    assert ended.is_set()


async def test_cancelling_from_outside_stays_that() -> None:
    task = asyncio.ensure_future(unless_broken(Watched(), asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_stream_may_break_again_while_the_work_is_given_up() -> None:
    """As over HTTP/2: a stream is reset, and its connection is lost a moment later."""
    stream = Watched()

    def break_off() -> None:
        if callable(stream.on_broken):
            stream.on_broken()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            break_off()

    task = asyncio.ensure_future(unless_broken(stream, work()))
    await asyncio.sleep(0)
    break_off()
    with pytest.raises(TransportError, match="gone"):
        await task
