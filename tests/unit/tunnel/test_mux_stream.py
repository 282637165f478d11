from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.unit.tunnel.test_mux_session import TARGET
from tests.unit.waiting import until

from blinktun.errors import TransportError
from blinktun.presets.mux_frames import MAX_DATA, pack_close, pack_data, pack_new
from blinktun.testing.duplex import DuplexStream
from blinktun.tunnel.mux_session import MuxSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blinktun.tunnel.mux_stream import MuxStream


@asynccontextmanager
async def _opened(limit: int = 65536) -> AsyncIterator[tuple[MuxStream, DuplexStream]]:
    near, far = DuplexStream.pair(limit)
    session = MuxSession(near)
    run = asyncio.ensure_future(session.run(idle=60))
    try:
        yield session.open(TARGET), far
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


async def test_the_target_leaves_with_the_first_bytes() -> None:
    async with _opened() as (stream, far):
        await stream.send(b"hello")
        cid = stream._sub.cid
        assert await far.receive() == pack_new(cid, TARGET) + pack_data(cid, b"hello")
        await far.send(pack_data(cid, b"answer"))
        assert await stream.receive() == b"answer"


async def test_the_target_leaves_before_an_end_without_bytes() -> None:
    async with _opened() as (stream, far):
        await stream.send_eof()
        cid = stream._sub.cid
        assert await far.receive() == pack_new(cid, TARGET)
        await far.send(pack_data(cid, b"220 hello") + pack_close(cid))
        assert await stream.receive() == b"220 hello"
        assert await stream.receive() == b""


async def test_nothing_is_sent_behind_a_close() -> None:
    async with _opened(limit=1) as (stream, far):
        sending = asyncio.ensure_future(stream.send(bytes(MAX_DATA + 1)))
        await until(lambda: far._pieces)
        stream.abort()
        cid = stream._sub.cid
        assert await far.receive() == pack_new(cid, TARGET) + pack_data(cid, bytes(MAX_DATA))
        with pytest.raises(TransportError, match="aborted here"):
            await sending
        assert await far.receive() == pack_close(cid)
        assert not far._pieces


async def test_a_stream_that_has_ended_tells_a_late_watcher() -> None:
    async with _opened() as (stream, far):
        heard: list[str] = []
        stream.watch(lambda: heard.append("broken"))
        await far.send(pack_close(stream._sub.cid))
        await until(lambda: heard)
        assert heard == ["broken"]
        stream.watch(None)
        stream.watch(lambda: heard.append("late"))
        assert heard == ["broken", "late"]
        with pytest.raises(TransportError):
            await asyncio.wait_for(stream.send(b"more"), 5)
