"""A stream that can be read a second time from its beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.transports.wrapped import WrappedStream

if TYPE_CHECKING:
    from blinktun.effects import Chunk
    from blinktun.transports.base import Stream


class Rewindable(WrappedStream):
    """Another stream, whose bytes are kept until it is known who should have them.

    Bound: the caller's, who reads no more than it needs to decide.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream)
        self._kept: list[Chunk] | None = []
        self._again = b""

    def rewind(self) -> None:
        """Receive once more what has been received; it is kept no longer."""
        kept, self._kept = self._kept or [], None
        self._again = b"".join(kept)

    def forget(self) -> None:
        """Keep nothing any more: the right one reads."""
        self._kept = None

    async def receive(self) -> Chunk:
        """Wait for bytes; after ``rewind`` those that are kept come first, at once."""
        if self._again:
            again, self._again = self._again, b""
            return again
        data = await self.inner.receive()
        if self._kept is not None:
            self._kept.append(data)
        return data
