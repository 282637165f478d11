from __future__ import annotations

from blinktun.testing.scripted import ScriptedStream
from blinktun.transports.wrapped import WrappedStream


async def test_everything_goes_through() -> None:
    inner = ScriptedStream([b"down"])
    stream = WrappedStream(inner)
    assert (stream.peer, stream.local) == (inner.peer, inner.local)
    assert await stream.receive() == b"down"
    await stream.send(b"up")
    await stream.send_eof()
    await stream.aclose()
    assert (inner.sent, inner.eof_sent, inner.closed, inner.aborted) == (b"up", True, True, False)
    stream.abort()
    assert inner.aborted
