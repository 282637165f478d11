"""Copy between two streams."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from blinktun.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Collection

    from blinktun.transports.base import Stream

_LINGER = 2.0
"""Seconds that a peer gets to read our last words."""


class Traffic:
    """What a connection, or a whole role, has carried so far.

    Attributes:
        up: Bytes from the first stream to the second.
        down: Bytes from the second stream to the first.
        last: When a byte last moved, on the monotonic clock.
        first_down: When the first byte came from the second stream; None: none has yet.
    """

    __slots__ = ("_total", "down", "first_down", "last", "up")

    def __init__(self, total: Traffic | None = None) -> None:
        self.up = 0
        self.down = 0
        self.last = time.monotonic()
        self.first_down: float | None = None
        self._total = total

    def add(self, *, up: int = 0, down: int = 0) -> None:
        """Count bytes, here and in the total that this one is a part of."""
        self.up += up
        self.last = time.monotonic()
        if down and not self.down:
            self.first_down = self.last
        self.down += down
        if self._total is not None:
            self._total.add(up=up, down=down)


async def relay(
    near: Stream, far: Stream, *, idle: float, traffic: Traffic, patience: float | None = None
) -> None:
    """Copy both ways until both directions have ended, each in its own time.

    A clean end is passed on as such. Anything else is not hidden: a ``TransportError`` of either
    stream, or silence of ``idle`` seconds, aborts both. Streams are left open otherwise.

    Args:
        near: The application's side on a client, the link on a server.
        far: The other side.
        idle: Seconds without a byte in either direction that end the connection.
        traffic: Counts bytes; lives longer than this call, so that failures are counted too.
        patience: Seconds that the near side gets to end once the far one has; None: its own time.

    Raises:
        TransportError: a stream failed, or nothing moved for too long.
        RemoteError: a peer broke its protocol; nothing has been aborted.
    """
    up = asyncio.create_task(_copy_up(near, far, traffic))
    down = asyncio.create_task(_copy_down(far, near, traffic))
    tasks = (up, down)
    ending = _Ending(tasks, idle, traffic, enough=None if patience is None else down)
    try:
        await ending.future
        if not up.done():
            await asyncio.wait(tasks, timeout=patience)
    except TransportError:
        near.abort()
        far.abort()
        raise
    finally:
        ending.stop_watching()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        del ending, tasks, task, up, down  # they hold the error, which holds this frame


def silence(idle: float) -> TransportError:
    """The end of a connection on which nothing has come or gone for ``idle`` seconds."""
    error = TransportError(f"no I/O on the connection for {idle:g} s")
    error.__cause__ = TimeoutError()
    return error


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


class _Ending:
    """What ends a relay: directions at their ends (both, or ``enough``), a failure, or silence.

    ``asyncio.wait`` would say the same, at 2 KB more for each connection.
    """

    __slots__ = ("_enough", "_idle", "_running", "_timer", "_traffic", "future")

    def __init__(
        self,
        tasks: Collection[asyncio.Task[None]],
        idle: float,
        traffic: Traffic,
        *,
        enough: asyncio.Task[None] | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = loop.create_future()
        self._running = len(tasks)
        self._enough = enough
        self._idle = idle
        self._traffic = traffic
        self._timer = loop.call_later(idle, self._look)
        for task in tasks:
            task.add_done_callback(self._on_end)

    def stop_watching(self) -> None:
        """It is over, however that came."""
        self._timer.cancel()

    def _on_end(self, task: asyncio.Task[None]) -> None:
        self._running -= 1
        error = None if task.cancelled() else task.exception()
        if self.future.done():
            return
        if error:
            self.future.set_exception(error)
        elif not self._running or task is self._enough:
            self.future.set_result(None)

    def _look(self) -> None:
        """Give up if nothing has moved, else look again when that may be so."""
        left = self._traffic.last + self._idle - time.monotonic()
        if left > 0:
            self._timer = asyncio.get_running_loop().call_later(left, self._look)
        elif not self.future.done():
            self.future.set_exception(silence(self._idle))


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
