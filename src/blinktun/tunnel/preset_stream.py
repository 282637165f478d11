"""A transport's stream with presets around it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, assert_never

from blinktun.effects import ConnectTo, Effect, Forward, Reject, Reply
from blinktun.errors import RemoteError, TransportError
from blinktun.transports.base import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from blinktun.address import Address
    from blinktun.effects import Chunk
    from blinktun.presets.pipeline import Pipeline


_HOLD_TIMEOUT = 30.0
"""Seconds for a peer to answer, where presets keep back what was sent until it has."""


class PresetStream(Stream):
    """Plain bytes on our side, a pipeline's output on the wire.

    A client calls ``set_target`` on the pipeline first; a server calls ``accept`` first.
    """

    def __init__(self, wire: Stream, pipeline: Pipeline) -> None:
        self._wire = wire
        self._pipeline = pipeline
        self._target: Address | None = None
        self._ready: list[Chunk] = []  # decoded, not yet received
        self._rejection: RemoteError | None = None
        self._released: asyncio.Event | None = None  # there while presets keep back what was sent

    @property
    def peer(self) -> str:
        """The peer on the wire."""
        return self._wire.peer

    def watch(self, on_broken: Callable[[], None] | None) -> None:
        """Watch the wire."""
        self._wire.watch(on_broken)

    @property
    def idle(self) -> float:
        """Of the wire."""
        return self._wire.idle

    async def accept(self) -> Address:
        """Wait for the target that the client asks for; what is decoded with it is kept.

        Raises:
            TransportError: the connection ended first.
            RemoteError: the presets refused what came.
        """
        while self._target is None:
            if self._rejection:
                raise self._rejection
            data = await self._wire.receive()
            if not data:
                raise TransportError("ended before it named a target", peer=self.peer)
            await self._perform(self._pipeline.decode(data))
        return self._target

    def authenticate(self) -> None:
        """Have the presets remember a peer that has shown by what it sent that it has the key.

        Where the presets carry the target they do so themselves.

        Raises:
            RemoteError: what it sent was recorded from an earlier connection.
        """
        if refusal := self._pipeline.authenticate():
            raise RemoteError(refusal.reason)

    async def receive(self) -> Chunk:
        """Wait for decoded bytes.

        Raises:
            TransportError: the connection ended other than cleanly, inside a frame included.
            RemoteError: the presets refused what came.
        """
        while True:
            if self._ready:
                return self._take_ready()
            if self._rejection:
                raise self._rejection
            data = await self._wire.receive()
            if not data:
                self._check_end()
                return b""
            await self._perform(self._pipeline.decode(data))

    async def send(self, data: Chunk) -> None:
        """Encode and send; empty data sends only what must go out first.

        What presets keep back until the peer answers is one call's data at most: the next waits.

        Raises:
            TransportError: the connection is gone, or the peer did not answer in time.
            RemoteError: the presets refused the data.
        """
        await self._release()
        effects = self._pipeline.encode(data)
        if self._pipeline.holds_back:
            self._released = asyncio.Event()
        wire = [effect.data for effect in effects if isinstance(effect, Forward)]
        if wire:
            await self._wire.send(wire[0] if len(wire) == 1 else b"".join(wire))
        for effect in effects:
            match effect:
                case Reply(reply):
                    self._ready.append(reply)
                case Reject(reason):
                    raise RemoteError(reason)
                case _:
                    pass

    async def send_eof(self) -> None:
        """End our direction on the wire, behind what presets keep back."""
        await self._release()
        await self._wire.send_eof()

    async def aclose(self) -> None:
        """Close the wire."""
        await self._wire.aclose()

    def abort(self) -> None:
        """Abort the wire."""
        self._wire.abort()

    async def _release(self) -> None:
        """Wait until another task has received what the presets wait for."""
        if self._released is None:
            return
        try:
            async with asyncio.timeout(_HOLD_TIMEOUT):
                await self._released.wait()
        except TimeoutError:
            reason = f"no answer to the presets' handshake within {_HOLD_TIMEOUT:g} s"
            raise TransportError(reason, peer=self.peer) from None

    async def _perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Forward(data):
                    self._ready.append(data)
                case Reply(data):
                    await self._wire.send(data)
                case ConnectTo(target):
                    self._target = target
                case Reject(reason):
                    self._rejection = RemoteError(reason)
                case _:
                    assert_never(effect)
        if self._released and not self._pipeline.holds_back:
            self._released.set()
            self._released = None

    def _take_ready(self) -> Chunk:
        ready, self._ready = self._ready, []
        return ready[0] if len(ready) == 1 else b"".join(ready)

    def _check_end(self) -> None:
        for effect in self._pipeline.decode_eof():
            if isinstance(effect, Reject):
                raise TransportError(effect.reason, peer=self.peer)
