from __future__ import annotations

import pytest

from blinktun.errors import TransportError
from blinktun.testing.loopback import read_all
from blinktun.testing.scripted import ScriptedStream
from blinktun.transports.rewindable import Rewindable


async def test_everything_comes_again() -> None:
    stream = Rewindable(ScriptedStream([b"a", memoryview(b"bc").tobytes(), b"d"]))
    assert [await stream.receive() for _ in range(2)] == [b"a", b"bc"]
    stream.rewind()
    assert await stream.receive() == b"abc"
    assert await read_all(stream) == b"d"


async def test_an_end_comes_again_too() -> None:
    stream = Rewindable(ScriptedStream([b"a"]))
    assert await read_all(stream) == b"a"
    stream.rewind()
    assert await read_all(stream) == b"a"


async def test_nothing_comes_again_by_itself() -> None:
    stream = Rewindable(ScriptedStream([TransportError("reset")]))
    stream.rewind()
    with pytest.raises(TransportError):
        await stream.receive()


async def test_what_is_forgotten_is_gone() -> None:
    stream = Rewindable(ScriptedStream([b"a", b"b"]))
    await stream.receive()
    stream.forget()
    await stream.receive()
    stream.rewind()
    assert await stream.receive() == b""


async def test_all_else_is_the_other_streams() -> None:
    wire = ScriptedStream()
    stream = Rewindable(wire)
    await stream.send(b"x")
    await stream.send_eof()
    await stream.aclose()
    stream.abort()
    assert (wire.sent, wire.eof_sent, wire.closed, wire.aborted) == (b"x", True, True, True)
    assert stream.peer == "script"
    assert stream.local is None
