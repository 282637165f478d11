"""One connection that carries many: sub-connections over a stream (blinksocks wire, section 7).

The format has no window and no half-close. So a receiver that does not read holds up the others,
here after 4 MiB, and the end of one direction is told only together with the other's. The side that
opened waits for the answer with that, though not for ever: who has left looks like who waits.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from blinktun.errors import RemoteError, TransportError
from blinktun.presets.mux_frames import (
    Close,
    Data,
    Frame,
    FrameReader,
    New,
    pack_close,
    pack_new,
)
from blinktun.tunnel.mux_stream import MuxStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.address import Address
    from blinktun.transports.base import Stream

_UNREAD = 4 << 20
"""Received bytes, of all sub-connections, from which on the shared one is not read."""
_MAX_STREAMS = 4096
"""Sub-connections of one connection that are open or still being worked for; more are refused."""
_MAX_CLOSES = 64 * 1024
"""Bytes of CLOSE frames that wait for the wire, from which on the shared connection is not read."""
_SLICE = 64 * 1024
"""Bytes whose frames are handled before other connections get their turn."""
_FLUSH_TIMEOUT = 10.0
"""Seconds that the wire gets to take the last CLOSE frames."""
ANSWER_WAIT = 30.0
"""Seconds of the peer's silence, behind our last word, from which on nothing more is expected."""
_MAX_WAITING = 256
"""Sub-connections that may wait so, of one connection; then the one silent for longest breaks."""


class MuxSession:
    """The sub-connections of one connection.

    Args:
        wire: The shared connection, with its presets.
        on_new: Gets every sub-connection that the peer opens, and its target; None: the peer may
            open none.
        answer_wait: Seconds of the peer's silence, behind our last word on a sub-connection that
            was opened here, from which on nothing more is expected.

    Attributes:
        answer_wait: The same.
    """

    def __init__(
        self,
        wire: Stream,
        on_new: Callable[[MuxStream, Address], None] | None = None,
        *,
        answer_wait: float = ANSWER_WAIT,
    ) -> None:
        self._wire = wire
        self._on_new = on_new
        self.answer_wait = answer_wait
        self._streams: dict[bytes, MuxStream] = {}
        self._waiting: dict[MuxStream, None] = {}  # have said their last word; last heard of, last
        self._reader = FrameReader()
        self._sending = asyncio.Lock()
        # The peer opened them, and our side is not done with them.
        self._held: set[MuxStream] = set()
        self._closes = bytearray()  # CLOSE frames that wait for the wire
        self._closing: asyncio.Task[None] | None = None  # sends them
        self._unread = 0
        self._has_room = asyncio.Event()
        self.ended = ""
        """Why nothing can be opened any more, once that is so."""

    def __len__(self) -> int:
        return len(self._streams)

    @property
    def peer(self) -> str:
        """The other end of the shared connection."""
        return self._wire.peer

    @property
    def idle(self) -> float:
        """Seconds since a byte came or went."""
        return self._wire.idle

    @property
    def is_stalled(self) -> bool:
        """Whether one stream is not read and the others wait for it, or the peer does not read."""
        return self._unread >= _UNREAD or len(self._closes) >= _MAX_CLOSES

    async def run(self, *, idle: float) -> None:
        """Serve until the shared connection ends, or has carried nothing for ``idle`` seconds.

        It is closed then, and every sub-connection that is left is broken.

        Raises:
            TransportError: it ended other than cleanly.
            RemoteError: the peer broke the protocol.
        """
        reason = "the shared connection has ended"
        watch = asyncio.get_running_loop().create_task(self._close_when_idle(idle))
        try:
            await self._read()
        except (TransportError, RemoteError) as error:
            reason = str(error)
            if not self.ended:  # else it was closed here
                raise
        finally:
            self._end(reason)
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        await self.aclose()

    def open(self, target: Address) -> MuxStream:
        """Begin a sub-connection; the target goes out with the first bytes.

        Raises:
            TransportError: the shared connection has ended.
            LocalError: the target does not fit into a frame.
        """
        if self.ended:
            raise TransportError(self.ended, peer=self.peer)
        cid = os.urandom(4)
        while cid in self._streams:
            cid = os.urandom(4)
        stream = MuxStream(self, cid, pack_new(cid, target))
        self._streams[cid] = stream
        return stream

    async def aclose(self) -> None:
        """End the shared connection, behind what was sent."""
        if self._closing:
            await asyncio.wait({self._closing}, timeout=_FLUSH_TIMEOUT)
            if self._closing:
                self._closing.cancel()
        await self._wire.aclose()

    def abort(self) -> None:
        """Break the shared connection off."""
        self._wire.abort()

    # --- for the streams ------------------------------------------------------------------

    async def send(self, frames: bytes) -> None:
        """Send whole frames; one sender at a time."""
        async with self._sending:
            await self._wire.send(frames)

    def consumed(self, count: int) -> None:
        """A stream's bytes were taken."""
        self._unread -= count
        if not self.is_stalled:
            self._has_room.set()

    def wait_for_answer(self, stream: MuxStream) -> None:
        """A stream has said its last word, or has heard something since."""
        self._waiting.pop(stream, None)
        self._waiting[stream] = None
        if len(self._waiting) > _MAX_WAITING:
            next(iter(self._waiting)).give_up("too many wait for an answer")

    def forget(self, stream: MuxStream, *, tell: bool) -> None:
        """A stream is over; ``tell`` the peer, if it does not know."""
        self._waiting.pop(stream, None)
        if self._streams.pop(stream.cid, None) is None:
            return
        if tell:
            self._tell_closed(stream.cid)

    def release(self, stream: MuxStream) -> None:
        """The work for a stream that the peer opened is over."""
        self._held.discard(stream)

    def _tell_closed(self, cid: bytes) -> None:
        if self.ended:
            return
        self._closes += pack_close(cid)
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._send_closes())

    async def _send_closes(self) -> None:
        try:
            while self._closes:
                async with self._sending:
                    frames = bytes(self._closes)
                    await self._wire.send(frames)
                del self._closes[: len(frames)]
                self._has_room.set()
        except (TransportError, RemoteError):
            pass  # the reader hears of it too
        finally:
            self._closes.clear()  # what was not sent never will be, and must not stall the reader
            self._closing = None
            self._has_room.set()

    # --- from the wire --------------------------------------------------------------------

    async def _read(self) -> None:
        while data := await self._wire.receive():
            view = memoryview(data)
            for start in range(0, len(view), _SLICE):
                for frame in self._reader.feed(view[start : start + _SLICE]):
                    self._take(frame)
                    await self._room()
                if start + _SLICE < len(view):
                    await asyncio.sleep(0)
        if self._reader.inside_frame:
            raise TransportError("ended inside a frame", peer=self.peer)

    def _take(self, frame: Frame) -> None:
        match frame:
            case New(cid, target):
                self._accept(cid, target)
            case Data(cid, payload):
                # One that we have closed may still be sent to for a while.
                if payload and (stream := self._streams.get(cid)):
                    self._unread += len(payload)
                    stream.on_data(payload)
            case Close(cid):
                if stream := self._streams.pop(cid, None):
                    stream.on_close()

    def _accept(self, cid: bytes, target: Address) -> None:
        if self._on_new is None:
            raise RemoteError("a server opened a sub-connection")
        if cid in self._streams:
            raise RemoteError("a sub-connection was opened twice")
        if len(self._held) >= _MAX_STREAMS:
            self._tell_closed(cid)
            return
        stream = MuxStream(self, cid)
        self._streams[cid] = stream
        self._held.add(stream)
        self._on_new(stream, target)

    async def _close_when_idle(self, idle: float) -> None:
        used = time.monotonic()
        while time.monotonic() - used < idle:
            await asyncio.sleep(min(1.0, idle))
            if self._streams:
                used = time.monotonic()
        self.ended = "the shared connection was idle"
        await self.aclose()

    async def _room(self) -> None:
        while self.is_stalled:
            self._has_room.clear()
            await self._has_room.wait()

    def _end(self, reason: str) -> None:
        self.ended = reason
        if self._closing:
            self._closing.cancel()
        streams, self._streams = list(self._streams.values()), {}
        for stream in streams:
            stream.on_lost(reason)
