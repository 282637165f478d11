"""A stream around another one, which changes a part of what that does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.transports.base import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.address import Address
    from blinktun.effects import Chunk


class WrappedStream(Stream):
    """Does whatever the other does; a class with something of its own to say overrides that.

    Attributes:
        inner: The other one.
    """

    def __init__(self, inner: Stream) -> None:
        self.inner = inner

    @property
    def peer(self) -> str:
        """Of the other stream."""
        return self.inner.peer

    @property
    def local(self) -> Address | None:
        """Of the other stream."""
        return self.inner.local

    def watch(self, on_broken: Callable[[], None] | None) -> None:
        """Watch the other stream."""
        self.inner.watch(on_broken)

    @property
    def idle(self) -> float:
        """Of the other stream."""
        return self.inner.idle

    async def receive(self) -> Chunk:
        """Receive."""
        return await self.inner.receive()

    async def send(self, data: Chunk) -> None:
        """Send."""
        await self.inner.send(data)

    async def send_eof(self) -> None:
        """End our direction."""
        await self.inner.send_eof()

    async def aclose(self) -> None:
        """Close."""
        await self.inner.aclose()

    def abort(self) -> None:
        """Abort."""
        self.inner.abort()
