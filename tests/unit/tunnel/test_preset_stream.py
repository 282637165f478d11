from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from blinktun.address import Address
from blinktun.config.model import PresetSpec
from blinktun.effects import ConnectTo, Effect, Forward, Reject, Reply
from blinktun.errors import RemoteError, TransportError
from blinktun.presets.base import Preset, PresetMaker
from blinktun.presets.pipeline import Pipeline
from blinktun.testing.duplex import DuplexStream
from blinktun.testing.loopback import read_all
from blinktun.testing.pair import PipelinePair, forwarded
from blinktun.testing.scripted import ScriptedStream
from blinktun.tunnel.preset_stream import PresetStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blinktun.effects import Chunk

TARGET = Address("example.com", 80)
AEAD = (PresetSpec("ss-base"), PresetSpec("ss-aead-cipher"))


def _wire() -> tuple[PipelinePair, bytes]:
    pair = PipelinePair(AEAD, TARGET)
    return pair, forwarded(pair.client.encode(b"hello"))


async def test_accept_keeps_what_came_with_the_target() -> None:
    pair, wire = _wire()
    stream = PresetStream(ScriptedStream([wire[:40], wire[40:]]), pair.server)
    assert await stream.accept() == TARGET
    assert await stream.receive() == b"hello"
    assert await stream.receive() == b""
    assert stream.peer == "script"


async def test_accept_without_a_target() -> None:
    pair, wire = _wire()
    with pytest.raises(TransportError, match="before it named a target"):
        await PresetStream(ScriptedStream([wire[:40]]), pair.server).accept()


async def test_accept_of_garbage() -> None:
    pair, _ = _wire()
    with pytest.raises(RemoteError, match="does not fit"):
        await PresetStream(ScriptedStream([bytes(100)]), pair.server).accept()


async def test_a_cut_stream_is_no_clean_end() -> None:
    pair, wire = _wire()
    stream = PresetStream(ScriptedStream([wire, wire[:5]]), pair.server)
    await stream.accept()
    assert await stream.receive() == b"hello"
    with pytest.raises(TransportError, match="inside a sealed chunk"):
        await stream.receive()


async def test_a_rejection_comes_after_what_was_sound() -> None:
    pair, wire = _wire()
    stream = PresetStream(ScriptedStream([wire + bytes(50)]), pair.server)
    await stream.accept()
    assert await stream.receive() == b"hello"
    for _ in range(2):
        with pytest.raises(RemoteError, match="does not fit"):
            await stream.receive()


async def test_sending_encodes_and_ends_pass_through() -> None:
    pair = PipelinePair(AEAD, TARGET)
    wire = ScriptedStream()
    stream = PresetStream(wire, pair.client)
    await stream.send(b"")
    lone = len(wire.sent)
    assert lone > 32
    await stream.send(b"")
    assert len(wire.sent) == lone
    await stream.send(b"hello")
    assert forwarded(pair.server.decode(wire.sent)) == b"hello"
    await stream.send_eof()
    await stream.aclose()
    stream.abort()
    assert (wire.eof_sent, wire.closed, wire.aborted) == (True, True, True)


class Chatty(Preset):
    """Answers in both directions, and rejects what says so."""

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        del params
        return lambda _context: cls()

    def encode(self, data: Chunk) -> Iterable[Effect]:
        if data == b"reject":
            return (Reject("not this"),)
        return (Forward(data), Reply(b"<"))

    def decode(self, data: Chunk) -> Iterable[Effect]:
        return (Reply(b">"), ConnectTo(TARGET), Forward(data), Forward(b"."))


async def test_replies_go_where_they_belong() -> None:
    wire = ScriptedStream([b"in"])
    stream = PresetStream(wire, Pipeline([Chatty()]))
    await stream.send(b"out")
    assert wire.sent == b"out"
    assert await stream.receive() == b"<"
    assert await read_all(stream) == b"in."
    assert wire.sent == b"out>"
    with pytest.raises(RemoteError, match="not this"):
        await stream.send(b"reject")


class Patient(Preset):
    """Keeps what it is given until it is answered."""

    def __init__(self) -> None:
        self._kept = b""
        self._answered = False

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        del params
        return lambda _context: cls()

    @property
    def holds_back(self) -> bool:
        return bool(self._kept)

    def encode(self, data: Chunk) -> Iterable[Effect]:
        if self._answered:
            return (Forward(data),)
        self._kept += data
        return (Forward(b"hello "),)

    def decode(self, data: Chunk) -> Iterable[Effect]:
        self._answered = True
        kept, self._kept = self._kept, b""
        return (Reply(kept), Forward(data))


async def test_nothing_more_is_taken_while_something_is_kept_back() -> None:
    near, far = DuplexStream.pair()
    stream = PresetStream(near, Pipeline([Patient()]))
    await stream.send(b"one")
    more = asyncio.create_task(_send_all(stream, [b"two", b"three"]))
    assert await far.receive() == b"hello "
    await asyncio.sleep(0.01)
    assert not more.done()
    await far.send(b"welcome")
    assert await stream.receive() == b"welcome"
    await more
    # The end goes out behind all of it.
    assert await read_all(far) == b"onetwothree"


async def test_the_end_waits_for_what_is_kept_back() -> None:
    near, far = DuplexStream.pair()
    stream = PresetStream(near, Pipeline([Patient()]))
    await stream.send(b"one")
    ending = asyncio.create_task(stream.send_eof())
    await far.send(b"welcome")
    await stream.receive()
    await ending
    assert await read_all(far) == b"hello one"


async def test_an_answer_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blinktun.tunnel.preset_stream._HOLD_TIMEOUT", 0.01)
    stream = PresetStream(ScriptedStream(ends=False), Pipeline([Patient()]))
    await stream.send(b"one")
    with pytest.raises(TransportError, match="no answer to the presets' handshake"):
        await stream.send(b"two")
    with pytest.raises(TransportError, match="no answer"):
        await stream.send_eof()


async def _send_all(stream: PresetStream, pieces: list[bytes]) -> None:
    for piece in pieces:
        await stream.send(piece)
    await stream.send_eof()
