"""Two streams joined to each other, without a network."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from blinktun.errors import TransportError
from blinktun.transports.base import Stream

if TYPE_CHECKING:
    from typing import Self

    from blinktun.effects import Chunk


class DuplexStream(Stream):
    """One end: what it sends, the other receives, in the pieces in which it was sent.

    Attributes:
        limit: Bytes on their way to the other end from which on ``send`` waits.
    """

    def __init__(self, limit: int = 65536) -> None:
        self.limit = limit
        self._other = self
        self._pieces: list[bytes] = []
        self._changed = asyncio.Event()
        self._ended = False
        self._broken = False

    @classmethod
    def pair(cls, limit: int = 65536) -> tuple[Self, Self]:
        """Both ends."""
        one, other = cls(limit), cls(limit)
        one._other, other._other = other, one
        return one, other

    @property
    def peer(self) -> str:
        """A name."""
        return "duplex"

    async def receive(self) -> Chunk:
        """Return the oldest piece."""
        while not self._pieces:
            self._check()
            if self._ended:
                return b""
            await self._change()
        piece = self._pieces.pop(0)
        self._other._changed.set()
        return piece

    async def send(self, data: Chunk) -> None:
        """Hand a piece over, and wait while too much is unread."""
        self._check()
        if data:
            self._other._pieces.append(bytes(data))
            self._other._changed.set()
        while sum(map(len, self._other._pieces)) >= self.limit:
            self._check()
            await self._change()

    async def send_eof(self) -> None:
        """End our direction."""
        self._check()
        self._other._ended = True
        self._other._changed.set()

    async def aclose(self) -> None:
        """End our direction, and forget about the other."""
        if not self._broken:
            await self.send_eof()

    def abort(self) -> None:
        """Break both directions at both ends."""
        for end in (self, self._other):
            end._broken = True
            end._changed.set()

    def _check(self) -> None:
        if self._broken:
            raise TransportError("broken off", peer=self.peer)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
