"""Copy between two streams."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from blinktun.errors import TransportError

if TYPE_CHECKING:
    from blinktun.transports.base import Stream

_LINGER = 2.0
"""Seconds that a peer gets to read our last words."""


class Traffic:
    """What a connection, or a whole role, has carried so far.

    Attributes:
        up: Bytes from the first stream to the second.
        down: Bytes from the second stream to the first.
        last: When a byte last moved, on the monotonic clock.
    """

    __slots__ = ("_total", "down", "last", "up")

    def __init__(self, total: Traffic | None = None) -> None:
        self.up = 0
        self.down = 0
        self.last = time.monotonic()
        self._total = total

    def add(self, *, up: int = 0, down: int = 0) -> None:
        """Count bytes, here and in the total that this one is a part of."""
        self.up += up
        self.down += down
        self.last = time.monotonic()
        if self._total is not None:
            self._total.add(up=up, down=down)


async def relay(near: Stream, far: Stream, *, idle: float, traffic: Traffic) -> None:
    """Copy both ways until both directions have ended, each in its own time.

    A clean end is passed on as such. Anything else is not hidden: a ``TransportError`` of either
    stream, or silence of ``idle`` seconds, aborts both. Streams are left open otherwise.

    Args:
        near: The application's side on a client, the link on a server.
        far: The other side.
        idle: Seconds without a byte in either direction that end the connection.
        traffic: Counts bytes; lives longer than this call, so that failures are counted too.

    Raises:
        TransportError: a stream failed, or nothing moved for too long.
        RemoteError: a peer broke its protocol; nothing has been aborted.
    """
    tasks = {
        asyncio.create_task(_copy_up(near, far, traffic)),
        asyncio.create_task(_copy_down(far, near, traffic)),
    }
    try:
        await _watch(tasks, idle, traffic)
    except TransportError:
        near.abort()
        far.abort()
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def linger(stream: Stream) -> None:
    """Close a stream so that what was sent last can be read.

    Closing with unread input makes the kernel reset the connection, which may overtake our last
    words; so end our direction, and read the peer's for 2 s at most.
    """
    try:
        async with asyncio.timeout(_LINGER):
            await stream.send_eof()
            while await stream.receive():
                pass
    except (TimeoutError, TransportError):
        pass
    await stream.aclose()


async def _watch(tasks: set[asyncio.Task[None]], idle: float, traffic: Traffic) -> None:
    pending = tasks
    while pending:
        left = traffic.last + idle - time.monotonic()
        if left <= 0:
            raise TransportError(f"no I/O on the connection for {idle:g} s")
        done, pending = await asyncio.wait(
            pending, timeout=left, return_when=asyncio.FIRST_EXCEPTION
        )
        for task in done:
            task.result()


async def _copy_up(source: Stream, sink: Stream, traffic: Traffic) -> None:
    while data := await source.receive():
        traffic.last = time.monotonic()
        await sink.send(data)
        traffic.add(up=len(data))
    await sink.send_eof()


async def _copy_down(source: Stream, sink: Stream, traffic: Traffic) -> None:
    while data := await source.receive():
        traffic.last = time.monotonic()
        await sink.send(data)
        traffic.add(down=len(data))
    await sink.send_eof()
