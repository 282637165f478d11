"""One connection that carries many: sub-connections over a stream (blinksocks wire, section 7).

What frames mean, and what is owed to a sub-connection, is decided by a ``MuxConnection``. Here are
the wire, the tasks and the waiting around it.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from blinktun.errors import RemoteError, TransportError
from blinktun.tunnel.mux_connection import Changed, MuxConnection, Opened
from blinktun.tunnel.mux_stream import MuxStream

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from blinktun.address import Address
    from blinktun.transports.base import Stream
    from blinktun.tunnel.mux_connection import SubConnection
    from blinktun.tunnel.mux_states import Action, Input

_SLICE = 64 * 1024
"""Bytes whose frames are handled before other connections get their turn."""
_FLUSH_TIMEOUT = 10.0
"""Seconds that the wire gets to take the last CLOSE frames."""
ANSWER_WAIT = 30.0
"""Seconds of the peer's silence, behind our last word, from which on nothing more is expected."""


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
        self._connection = MuxConnection(accepts=on_new is not None)
        self._streams: dict[SubConnection, MuxStream] = {}  # those that are not over
        self._sending = asyncio.Lock()
        self._closing: asyncio.Task[None] | None = None  # sends CLOSE frames
        self._has_room = asyncio.Event()

    def __len__(self) -> int:
        return len(self._connection)

    @property
    def peer(self) -> str:
        """The other end of the shared connection."""
        return self._wire.peer

    @property
    def idle(self) -> float:
        """Seconds since a byte came or went."""
        return self._wire.idle

    @property
    def ended(self) -> str:
        """Why nothing can be opened any more, once that is so."""
        return self._connection.ended

    @property
    def is_stalled(self) -> bool:
        """Whether one stream is not read and the others wait for it, or the peer does not read."""
        return self._connection.is_stalled

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
        while cid in self._connection:
            cid = os.urandom(4)
        return self._stream(self._connection.open(cid, target))

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

    def take(self, sub: SubConnection, given: Input, reason: str = "") -> Collection[Action]:
        """Note what a stream does or meets; returns what it has to do."""
        actions = self._connection.take(sub, given, reason)
        if sub.is_over:
            self._streams.pop(sub, None)
        self._act()
        return actions

    def read(self, sub: SubConnection) -> bytes:
        """Return, once, what has come for a stream."""
        data = self._connection.read(sub)
        self._act()
        return data

    # --- what the connection wants --------------------------------------------------------

    def _act(self) -> None:
        """Hand over what has happened, and send what is to be sent."""
        connection = self._connection
        while event := connection.next_event():
            match event:
                case Opened(sub, target) if self._on_new:
                    self._on_new(self._stream(sub), target)
                case Changed(sub):
                    stream = self._streams.get(sub)
                    if sub.is_over:
                        self._streams.pop(sub, None)
                    if stream:
                        stream.changed()
        if connection.closes and self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._send_closes())
        if not self._has_room.is_set() and not connection.is_stalled:
            self._has_room.set()

    def _stream(self, sub: SubConnection) -> MuxStream:
        stream = self._streams[sub] = MuxStream(self, sub)
        return stream

    async def _send_closes(self) -> None:
        closes = self._connection.closes
        try:
            while closes:
                async with self._sending:
                    frames = bytes(closes)
                    await self._wire.send(frames)
                del closes[: len(frames)]
                self._has_room.set()
        except (TransportError, RemoteError):
            pass  # the reader hears of it too
        finally:
            closes.clear()  # what was not sent never will be, and must not stall the reader
            self._closing = None
            self._has_room.set()

    # --- from the wire --------------------------------------------------------------------

    async def _read(self) -> None:
        connection = self._connection
        while data := await self._wire.receive():
            view = memoryview(data)
            for start in range(0, len(view), _SLICE):
                for frame in connection.feed(view[start : start + _SLICE]):
                    connection.receive(frame)
                    self._act()
                    if connection.is_stalled:
                        await self._room()
                if start + _SLICE < len(view):
                    await asyncio.sleep(0)
        if connection.inside_frame:
            raise TransportError("ended inside a frame", peer=self.peer)

    async def _close_when_idle(self, idle: float) -> None:
        used = time.monotonic()
        while time.monotonic() - used < idle:
            await asyncio.sleep(min(1.0, idle))
            if len(self):
                used = time.monotonic()
        self._connection.end("the shared connection was idle")
        await self.aclose()

    async def _room(self) -> None:
        while self.is_stalled:
            self._has_room.clear()
            await self._has_room.wait()

    def _end(self, reason: str) -> None:
        if self._closing:
            self._closing.cancel()
        self._connection.end(reason)
        self._act()
