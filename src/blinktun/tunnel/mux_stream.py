"""One of the streams that share a connection (blinksocks wire, section 7)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from blinktun.errors import TransportError
from blinktun.presets.mux_frames import MAX_DATA, pack_data
from blinktun.transports.base import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.effects import Chunk

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
    def consumed(self, count: int) -> None: ...
    def wait_for_answer(self, stream: MuxStream) -> None: ...
    def forget(self, stream: MuxStream, *, tell: bool) -> None: ...
    def release(self, stream: MuxStream) -> None: ...


class MuxStream(Stream):
    """One sub-connection.

    Its peer's CLOSE reads as a clean end: the format tells an end and an abort in the same words.
    """

    def __init__(self, session: _Session, cid: bytes, opening: bytes = b"") -> None:
        self._session = session
        self.cid = cid
        self._opening = opening  # a NEW frame that has not been sent yet
        self._is_opener = bool(opening)
        self._settling: asyncio.Event | None = None  # there until the server had time to connect
        self._chunks: list[bytes] = []
        self._changed = asyncio.Event()
        self._closed = False
        self._lost = ""  # why, if it broke; an error kept here would keep its frames and us alive
        self._awaits_answer = False  # has said its last word
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
        if self._lost or (self._closed and not self._chunks):
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
        while not self._chunks:
            if self._lost:
                raise TransportError(self._lost, peer=self.peer)
            if self._closed:
                return b""
            await self._change()
        data = b"".join(self._chunks) if len(self._chunks) > 1 else self._chunks[0]
        self._chunks.clear()
        self._session.consumed(len(data))
        return data

    async def send(self, data: Chunk) -> None:
        """Send; the first call says where the stream leads, even with no data.

        Raises:
            TransportError: the stream or the shared connection is over.
        """
        self._check()
        view = memoryview(data)
        if self._opening:
            first, view = view[:MAX_DATA], view[MAX_DATA:]
            opening, self._opening = self._opening, b""
            self._settling = asyncio.Event()
            await self._session.send(opening + pack_data(self.cid, first))
            asyncio.get_running_loop().call_later(_FIRST_WAIT, self._settle)
        if view:
            if self._settling:
                await self._settling.wait()
                self._check()
            await self._session.send(pack_data(self.cid, view))

    async def send_eof(self) -> None:
        """Say nothing yet, on the side that opened it: the answer would be cut off.

        It breaks once the peer has been silent for ``answer_wait``, or for longest of 256 that
        wait. The other side has said its last word, and closes.
        """
        self._check()
        if self._is_opener:
            self._awaits_answer = True
            self._session.wait_for_answer(self)
            self._changed.set()
        else:
            self._close()

    async def aclose(self) -> None:
        """Close both directions behind what has been sent."""
        self._close()
        self._drop()

    def abort(self) -> None:
        """Close both directions: the format has no other word for it."""
        self._lost = self._lost or "aborted here"
        self._close()
        self._drop()

    # --- told by the session --------------------------------------------------------------

    def on_data(self, payload: bytes) -> None:
        """Bytes have come."""
        self._chunks.append(payload)
        if self._awaits_answer:
            self._session.wait_for_answer(self)
        self._changed.set()
        self._settle()

    def on_close(self) -> None:
        """The peer has closed."""
        self._closed = True
        self._over(tell=False)
        if not self._chunks:
            self._break_work()

    def on_lost(self, reason: str) -> None:
        """The shared connection is over; what has come can still be read."""
        self._lost = reason
        self._over(tell=False)
        self._break_work()

    def give_up(self, reason: str) -> None:
        """Nothing more is expected of the peer."""
        self._lost = reason
        self._close()

    async def _change(self) -> None:
        self._changed.clear()
        wait = self._session.answer_wait
        try:
            async with asyncio.timeout(wait if self._awaits_answer else None):
                await self._changed.wait()
        except TimeoutError:
            self.give_up(f"no answer within {wait:g} s after the end of our direction")

    def _close(self) -> None:
        self._closed = True
        self._over(tell=not self._opening)

    def _break_work(self) -> None:
        if self._on_broken:
            self._on_broken()

    def _drop(self) -> None:
        self._session.release(self)
        self._session.consumed(sum(map(len, self._chunks)))
        self._chunks.clear()

    def _over(self, *, tell: bool) -> None:
        self._session.forget(self, tell=tell)
        self._changed.set()
        self._settle()

    def _settle(self) -> None:
        if self._settling:
            self._settling.set()
            self._settling = None

    def _check(self) -> None:
        if self._lost:
            raise TransportError(self._lost, peer=self.peer)
        if self._closed:
            raise TransportError("the sub-connection is closed", peer=self.peer)
