"""Speed limits: a stream that is read no faster than a rule allows."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from blinktun.transports.wrapped import WrappedStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from blinktun.effects import Chunk
    from blinktun.transports.base import Stream

_SLICE = 0.1
"""Seconds' worth of bytes that are handed over at once."""


class Pace:
    """A debt in bytes that time pays off.

    Args:
        rate: Bytes a second.
        now: The time, in seconds, here and in every call.
    """

    def __init__(self, rate: int, now: float) -> None:
        self._rate = rate
        self._paid = now

    @property
    def slice(self) -> int:
        """Bytes to carry at once."""
        return max(1, int(self._rate * _SLICE))

    def delay(self, now: float) -> float:
        """Seconds until the debt is paid; 0 or less: there is none."""
        return self._paid - now

    def charge(self, size: int, now: float) -> None:
        """Bytes have been carried."""
        self._paid = max(self._paid, now) + size / self._rate


class PacedStream(WrappedStream):
    """Another stream, received from at a limited rate; what it sends is not touched.

    After ``t`` seconds at most ``rate * (t + 0.1)`` bytes have come. What the peer sends faster
    waits in its own sockets.
    """

    def __init__(
        self,
        stream: Stream,
        rate: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(stream)
        self._clock = clock
        self._sleep = sleep
        self._pace = Pace(rate, clock())
        self._rest = memoryview(b"")

    async def receive(self) -> Chunk:
        """Wait until the last bytes are paid for, then for the next.

        Raises:
            TransportError: as the other stream.
        """
        if (delay := self._pace.delay(self._clock())) > 0:
            await self._sleep(delay)
        if not self._rest:
            self._rest = memoryview(await self.inner.receive())
        part, self._rest = self._rest[: self._pace.slice], self._rest[self._pace.slice :]
        self._pace.charge(len(part), self._clock())
        return part or b""


def paced(stream: Stream, rate: int | None) -> Stream:
    """A stream with a limit, or itself if there is none."""
    return PacedStream(stream, rate) if rate else stream
