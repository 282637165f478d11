"""A stream that can be read a second time from its beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.transports.base import Stream

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.effects import Chunk


class Rewindable(Stream):
    """Another stream, whose bytes are kept until it is known who should have them.

    Bound: the caller's, who reads no more than it needs to decide.

    Attributes:
        stream: The other one.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._kept: list[Chunk] | None = []
        self._again = b""

    def rewind(self) -> None:
        """Receive once more what has been received; it is kept no longer."""
        kept, self._kept = self._kept or [], None
        self._again = b"".join(kept)

    def forget(self) -> None:
        """Keep nothing any more: the right one reads."""
        self._kept = None

    @property
    def peer(self) -> str:
        """Of the other stream."""
        return self.stream.peer

    @property
    def local(self) -> Address | None:
        """Of the other stream."""
        return self.stream.local

    async def receive(self) -> Chunk:
        """Wait for bytes; after ``rewind`` those that are kept come first, at once."""
        if self._again:
            again, self._again = self._again, b""
            return again
        data = await self.stream.receive()
        if self._kept is not None:
            self._kept.append(data)
        return data

    async def send(self, data: Chunk) -> None:
        """Send."""
        await self.stream.send(data)

    async def send_eof(self) -> None:
        """End our direction."""
        await self.stream.send_eof()

    async def aclose(self) -> None:
        """Close."""
        await self.stream.aclose()

    def abort(self) -> None:
        """Abort."""
        self.stream.abort()
