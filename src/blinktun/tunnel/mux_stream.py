"""One of the streams that share a connection (blinksocks wire, section 7)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from blinktun.errors import TransportError
from blinktun.presets.mux_frames import MAX_DATA, pack_data
from blinktun.transports.base import Stream
from blinktun.tunnel.mux_states import Action, Input, State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from blinktun.effects import Chunk
    from blinktun.tunnel.mux_connection import SubConnection

_FIRST_WAIT = 0.2
"""Seconds that a client gives its server to connect before it sends a second frame.

blinksocks 3.3.0 keeps only the last frame that came before its target was connected, and later
ones may deliver such frames out of order.
"""


class _Session(Protocol):
    """What a stream asks of the connection that it shares: `mux_session` has it."""

    answer_wait: float

    @property
    def peer(self) -> str: ...
    @property
    def idle(self) -> float: ...
    async def send(self, frames: bytes) -> None: ...
    def take(self, sub: SubConnection, given: Input, reason: str = "") -> Collection[Action]: ...
    def read(self, sub: SubConnection) -> bytes: ...


class MuxStream(Stream):
    """One sub-connection.

    Its peer's CLOSE reads as a clean end: the format tells an end and an abort in the same words.
    """

    def __init__(self, session: _Session, sub: SubConnection) -> None:
        self._session = session
        self._sub = sub
        self._changed = asyncio.Event()
        self._settling: asyncio.Event | None = None  # there while a frame is held back
        self._on_broken: Callable[[], None] | None = None

    @property
    def peer(self) -> str:
        """The peer of the shared connection."""
        return self._session.peer

    def watch(self, on_broken: Callable[[], None] | None) -> None:
        """Have it called when the peer closes, which is all that it can say, or is gone.

        A peer that closes behind its bytes may want no answer to them: they are delivered first.
        """
        self._on_broken = on_broken
        self._break_work()

    @property
    def idle(self) -> float:
        """Of the connection that it shares."""
        return self._session.idle

    async def receive(self) -> Chunk:
        """Wait for bytes.

        Raises:
            TransportError: the shared connection ended, or the stream was aborted here.
        """
        while not self._sub.has_unread:
            if self._sub.state is State.BROKEN:
                raise TransportError(self._sub.reason, peer=self.peer)
            if self._sub.state is State.CLOSED:
                return b""
            await self._change()
        return self._session.read(self._sub)

    async def send(self, data: Chunk) -> None:
        """Send; the first call says where the stream leads, even with no data.

        Raises:
            TransportError: the stream or the shared connection is over.
        """
        view = memoryview(data)
        actions = self._take(Input.SEND)
        if Action.OPEN in actions:
            await self._open(view[:MAX_DATA])
            view = view[MAX_DATA:]
            if not view:
                return
            actions = self._take(Input.SEND)
        while view and Action.DELAY in actions:
            self._settling = asyncio.Event()
            await self._settling.wait()
            actions = self._take(Input.SEND)
        if view:
            await self._session.send(pack_data(self._sub.cid, view))

    async def send_eof(self) -> None:
        """Say nothing yet, on the side that opened it: the answer would be cut off.

        It breaks once the peer has been silent for ``answer_wait``, or for longest of 256 that
        wait. The other side has said its last word, and closes.
        """
        if Action.OPEN in self._take(Input.EOF):
            await self._open(b"")
            self._take(Input.EOF)

    async def aclose(self) -> None:
        """Close both directions behind what has been sent."""
        self._take(Input.LEAVE)

    def abort(self) -> None:
        """Close both directions: the format has no other word for it."""
        self._take(Input.ABORT, "aborted here")

    def changed(self) -> None:
        """Bytes have come, or it is over."""
        self._wake()
        self._break_work()

    async def _change(self) -> None:
        self._changed.clear()
        wait = self._session.answer_wait
        try:
            async with asyncio.timeout(wait if self._sub.state is State.WAITING else None):
                await self._changed.wait()
        except TimeoutError:
            reason = f"no answer within {wait:g} s after the end of our direction"
            self._take(Input.SILENCE, reason)

    async def _open(self, first: Chunk) -> None:
        await self._session.send(self._sub.take_opening() + pack_data(self._sub.cid, first))
        asyncio.get_running_loop().call_later(_FIRST_WAIT, self._settle)

    def _settle(self) -> None:
        self._session.take(self._sub, Input.SETTLED)
        self._release()

    def _take(self, given: Input, reason: str = "") -> Collection[Action]:
        """Note what our side does.

        Raises:
            TransportError: it cannot, as the stream or the shared connection is over.
        """
        actions = self._session.take(self._sub, given, reason)
        if Action.REFUSE in actions:
            reason = self._sub.reason or "the sub-connection is closed"
            raise TransportError(reason, peer=self.peer)
        if given is not Input.SEND:
            self._wake()
        return actions

    def _wake(self) -> None:
        self._changed.set()
        self._release()

    def _release(self) -> None:
        """Let a frame go that was held back."""
        if self._settling and self._sub.state is not State.CONNECTING:
            self._settling.set()
            self._settling = None

    def _break_work(self) -> None:
        sub = self._sub
        is_lost = sub.state is State.BROKEN or (sub.is_over and not sub.has_unread)
        if self._on_broken and is_lost:
            self._on_broken()
