from __future__ import annotations

import asyncio

import pytest
from tests.unit.tunnel.test_mux_session import TARGET

from blinktun.errors import TransportError
from blinktun.presets.mux_frames import pack_data, pack_new
from blinktun.testing.duplex import DuplexStream
from blinktun.tunnel.mux_session import MuxSession


async def test_the_target_leaves_with_the_first_bytes() -> None:
    near, far = DuplexStream.pair()
    stream = MuxSession(near).open(TARGET)
    await stream.send(b"hello")
    assert await far.receive() == pack_new(stream.cid, TARGET) + pack_data(stream.cid, b"hello")
    stream.on_data(b"answer")
    assert await stream.receive() == b"answer"


async def test_a_stream_that_has_ended_tells_a_late_watcher() -> None:
    near, _ = DuplexStream.pair()
    stream = MuxSession(near).open(TARGET)
    heard: list[str] = []
    stream.watch(lambda: heard.append("broken"))
    stream.on_close()
    assert heard == ["broken"]
    stream.watch(None)
    stream.watch(lambda: heard.append("late"))
    assert heard == ["broken", "late"]
    with pytest.raises(TransportError):
        await asyncio.wait_for(stream.send(b"more"), 5)
