"""One stream of an HTTP/2 connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from blinktun.errors import TransportError
from blinktun.transports.base import Stream
from blinktun.transports.h2_page import H2Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.effects import Chunk
    from blinktun.transports.h2_page import Headers

_FLUSH_TIMEOUT = 10.0
"""Seconds that ``aclose`` gives a peer to take what has been sent."""


class _Connection(Protocol):
    """What a stream asks of its connection: `h2_connection` has it, and makes the streams."""

    @property
    def peer(self) -> str: ...
    @property
    def idle(self) -> float: ...
    async def send(self, stream: H2Stream, data: Chunk) -> None: ...
    def answer(self, stream: H2Stream, headers: Headers) -> None: ...
    def end(self, stream: H2Stream) -> None: ...
    def consumed(self, stream: H2Stream, size: int) -> None: ...
    async def forget(self, stream: H2Stream) -> None: ...
    def break_off(self, stream: H2Stream) -> None: ...
    def abort(self) -> None: ...


class H2Stream(Stream):
    """A request and its answer, each a direction.

    Attributes:
        number: Its number in the connection.
        request: Server: the headers of the request.
        answered: Server: whether the headers of the answer have been sent.
        ended: Whether the peer has ended its direction, or both.
    """

    def __init__(self, connection: _Connection, number: int, request: Headers = ()) -> None:
        self._connection = connection
        self.number = number
        self.request = request
        self.answered = False
        self.ended = False
        self._chunks: list[bytes] = []
        self._owed = 0  # bytes of the window, padding included, of what is in ``_chunks``
        self._changed = asyncio.Event()
        self._eof_sent = False
        self._closed: TransportError | None = None  # why nothing more can be sent
        self._lost: TransportError | None = None
        self._on_broken: Callable[[], None] | None = None

    @property
    def peer(self) -> str:
        """The peer of the connection."""
        return self._connection.peer

    def for_service(self, early: bytes) -> tuple[bytes, Stream]:
        """As a request of HTTP/1.1."""
        page = H2Page(self, early)
        return page.begin, page

    def watch(self, on_broken: Callable[[], None] | None) -> None:
        """Have it called when the stream is reset, or its connection lost."""
        self._on_broken = on_broken
        if self._lost:
            self._break_work()

    def answer(self, headers: Headers) -> None:
        """Server: send these headers, not those that go with the first data."""
        self.check()
        self._connection.answer(self, headers)

    @property
    def idle(self) -> float:
        """Of the connection that it shares."""
        return self._connection.idle

    async def receive(self) -> Chunk:
        """Wait for bytes; taking them opens the peer's window again."""
        while not self._chunks:
            if self.ended:
                return b""
            if self._lost:
                raise self._lost
            self._changed.clear()
            await self._changed.wait()
        chunks, self._chunks = self._chunks, []
        owed, self._owed = self._owed, 0
        self._connection.consumed(self, owed)
        return b"".join(chunks) if len(chunks) > 1 else chunks[0]

    async def send(self, data: Chunk) -> None:
        """Send as the peer's window allows."""
        self.check()
        if data:
            await self._connection.send(self, data)

    async def send_eof(self) -> None:
        """End our direction; a peer that has ended both does not wait for it."""
        if self._lost:
            raise self._lost
        if not self._eof_sent and not self._closed:
            self._eof_sent = True
            self._closed = TransportError("our direction has ended", peer=self.peer)
            self._connection.end(self)

    async def aclose(self) -> None:
        """End both directions; the last stream of a connection is flushed for at most 10 s."""
        try:
            async with asyncio.timeout(_FLUSH_TIMEOUT):
                if not self._lost:
                    await self.send_eof()
                await self._connection.forget(self)
        except (TimeoutError, TransportError):
            self._connection.abort()
        except asyncio.CancelledError:
            self._connection.abort()
            raise

    def abort(self) -> None:
        """Cancel; nothing happens if it has been closed."""
        self._connection.break_off(self)
        self.on_lost(TransportError("aborted here", peer=self.peer))

    def check(self) -> None:
        """See whether something can be sent.

        Raises:
            TransportError: nothing can.
        """
        if error := self._lost or self._closed:
            raise error

    # --- told by the connection -------------------------------------------------------------

    def on_data(self, data: bytes, size: int) -> None:
        """Bytes have come, that use ``size`` of our window."""
        self._owed += size
        if data:
            self._chunks.append(data)
        elif not self._chunks:
            owed, self._owed = self._owed, 0
            self._connection.consumed(self, owed)
        self._changed.set()

    def on_end(self) -> None:
        """The peer has ended its direction."""
        self.ended = True
        self._changed.set()

    def on_reset(self, code: int) -> None:
        """The peer has ended both; without an error, that is a clean end."""
        if code:
            self.on_lost(TransportError(f"reset with code {code}", peer=self.peer))
            return
        self._closed = self._closed or TransportError("the stream is closed", peer=self.peer)
        self.on_end()
        self._break_work()

    def on_goaway(self, error: TransportError) -> None:
        """The peer listens no more; that is no harm to who has said its last word."""
        self._closed = self._closed or error
        if not self.ended:
            self.on_lost(error)

    def on_lost(self, error: TransportError) -> None:
        """Nothing more will come."""
        self._lost = self._lost or error
        self._changed.set()
        self._break_work()

    def _break_work(self) -> None:
        if self._on_broken:
            self._on_broken()
