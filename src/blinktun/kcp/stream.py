"""A stream that is read and written from Python."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from blinktun._core import RelayEnd, StreamClass
from blinktun.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from blinktun.kcp.driver import Driver
    from blinktun.kcp.keys import StreamKey

_CHUNK = 256 * 1024
"""What is handed to the core at once: as much as it keeps unsent."""
_LINGER = 10.0
"""Seconds that `Stream.aclose` gives the peer to end its own direction."""


class Stream:
    """One byte stream of a session; both directions end on their own.

    It lives until both directions have ended, or it is broken off: use it with ``async with``, or
    call `aclose` or `abort`. One task may read while another writes.

    Bound: the core keeps at most 256 KiB unsent and ``streambuf`` (smux 2) or ``smuxbuf`` (smux 1)
    bytes unread.
    """

    def __init__(
        self, driver: Driver, key: StreamKey, peer: str, on_over: Callable[[StreamKey], None]
    ) -> None:
        self._driver = driver
        self.key = key
        self.peer = peer
        self._on_over = on_over
        self._changed = asyncio.Event()
        self._broken = ""
        self._read_out = False
        self._finished = False
        self._on_broken: Callable[[], None] | None = None

    @property
    def is_finished(self) -> bool:
        """Whether our direction is ended, or the stream broken."""
        return self._finished or bool(self._broken)

    @property
    def class_(self) -> StreamClass:
        """How soon it has its turns among the streams of its session: what either end said last.

        It may be set at any time, by either end. Another blinktun hears it; towards other programs
        it counts for what is written here.
        """
        return self._driver.core.stream_class(self.key) or StreamClass.LEARNED

    @class_.setter
    def class_(self, class_: StreamClass) -> None:
        self._driver.core.set_class(self.key, class_)
        self._driver.wake()

    def watch(self, on_broken: Callable[[], None] | None) -> None:
        """Have ``on_broken`` called when the stream breaks, even if no task reads."""
        self._on_broken = on_broken
        if self._broken and on_broken:
            on_broken()

    async def read(self, max_bytes: int = 65536) -> bytes:
        """What has arrived, at least one byte; empty at the peer's clean end.

        Cancelling it loses nothing.

        Raises:
            TransportError: the stream was broken off, or its session ended.
            ValueError: ``max_bytes`` is less than 1.
        """
        if max_bytes < 1:
            raise ValueError("max_bytes must be at least 1")
        while not self._read_out:
            self._check()
            self._changed.clear()
            try:
                data = self._driver.core.read(self.key, max_bytes)
            except OSError as error:
                raise TransportError(str(error), peer=self.peer) from error
            if data:
                self._driver.wake()
                return data
            await self._changed.wait()
        return b""

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Queue bytes, waiting while the stream takes no more.

        Raises:
            TransportError: the stream was broken off, its session ended, or it was finished.
        """
        self._check()
        rest = memoryview(data).cast("B")
        while rest:
            self._changed.clear()
            chunk = bytes(rest[:_CHUNK])
            try:
                taken = self._driver.core.write(self.key, chunk)
            except OSError as error:
                raise TransportError(str(error), peer=self.peer) from error
            self._driver.wake()
            rest = rest[taken:]
            if taken < len(chunk):
                await self._changed.wait()
                self._check()

    def finish(self) -> None:
        """Write no more: the peer reads the end after the data. Reading goes on."""
        if self._broken or self._finished:
            return
        self._finished = True
        self._driver.core.finish(self.key)
        self._driver.wake()
        if self._read_out:
            self._on_over(self.key)

    async def aclose(self) -> None:
        """End both directions: what was written is delivered, what still comes is dropped.

        Waits at most 10 s for the peer to end its direction, then breaks the stream off.
        """
        self.finish()
        try:
            async with asyncio.timeout(_LINGER):
                while await self.read():
                    pass
        except (TimeoutError, TransportError):
            self.abort()
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Break the stream off in both directions: the peer sees an error, not an end."""
        if self._broken or (self._finished and self._read_out):
            return
        self._driver.core.reset(self.key)
        self._driver.wake()
        self.on_lost(RelayEnd.ABORTED.value)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self.aclose()
        else:
            self.abort()

    # --- told by the session ----------------------------------------------------------------

    def on_change(self) -> None:
        """It can be read or written: whoever waits looks again."""
        self._changed.set()

    def on_finished(self) -> None:
        """The peer ended it cleanly, and everything before has been read."""
        self._read_out = True
        self._changed.set()
        if self._finished:
            self._on_over(self.key)

    def on_lost(self, reason: str) -> None:
        """The stream is broken."""
        self._broken = self._broken or reason
        self._changed.set()
        self._on_over(self.key)
        if self._on_broken:
            self._on_broken()

    def _check(self) -> None:
        if self._broken:
            raise TransportError(self._broken, peer=self.peer)
