"""A stream that is read and written from Python."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from blinktun.errors import TransportError

if TYPE_CHECKING:
    from blinktun.kcp.driver import Driver
    from blinktun.kcp.keys import StreamKey


class Stream:
    """One byte stream of a session; both directions end on their own.

    Bound: the core keeps at most 256 KiB unsent and ``streambuf`` (smux 2) or ``smuxbuf`` (smux 1)
    bytes unread. One reader and one writer at a time.
    """

    def __init__(self, driver: Driver, key: StreamKey, peer: str) -> None:
        self._driver = driver
        self.key = key
        self.peer = peer
        self._changed = asyncio.Event()
        self._broken = ""
        self._finished = False

    async def read(self, max_bytes: int = 65536) -> bytes:
        """What has arrived, at least one byte; empty at the peer's clean end.

        Raises:
            TransportError: the stream was broken off, or its session ended.
        """
        while True:
            self._check()
            self._changed.clear()
            data = self._driver.core.read(self.key, max_bytes)
            if data or self._finished:
                self._driver.wake()
                return data
            await self._changed.wait()

    async def write(self, data: bytes) -> None:
        """Queue bytes, waiting while the stream takes no more.

        Raises:
            TransportError: the stream was broken off, its session ended, or it was finished.
        """
        rest = memoryview(data)
        while True:
            self._check()
            self._changed.clear()
            try:
                taken = self._driver.core.write(self.key, bytes(rest))
            except OSError as error:
                raise TransportError(str(error), peer=self.peer) from error
            self._driver.wake()
            rest = rest[taken:]
            if not rest:
                return
            await self._changed.wait()

    def finish(self) -> None:
        """Write no more: the peer reads the end after the data. Reading goes on."""
        if not self._broken:
            self._driver.core.finish(self.key)
            self._driver.wake()

    def abort(self) -> None:
        """Break the stream off in both directions."""
        if not self._broken:
            self._broken = "aborted here"
            self._driver.core.reset(self.key)
            self._driver.wake()
            self._changed.set()

    def on_change(self) -> None:
        """It can be read or written: whoever waits looks again."""
        self._changed.set()

    def on_finished(self) -> None:
        """The peer ended it cleanly, and everything before has been read."""
        self._finished = True
        self._changed.set()

    def on_lost(self, reason: str) -> None:
        """The stream is broken."""
        self._broken = self._broken or reason
        self._changed.set()

    def _check(self) -> None:
        if self._broken:
            raise TransportError(self._broken, peer=self.peer)
