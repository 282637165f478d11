"""The connections of a role: who owns their tasks, and how they end when the role stops."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from blinktun.transports.base import Stream

_log = logging.getLogger("blinktun.tunnel")

QUIET = 1.0
"""Seconds without a byte after which a connection is not expected to end by itself."""
LOOK = 0.1
"""Seconds between looks for such connections while a role stops."""


class Connections:
    """Owns one task per connection, until it ends or is stopped."""

    def __init__(self) -> None:
        self._streams: dict[asyncio.Task[None], Stream] = {}
        self._stopped = False

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: Stream, serve: Callable[[Stream], Coroutine[None, None, None]]) -> None:
        """Run a connection; one that was accepted during ``stop`` is reset."""
        if self._stopped:
            stream.abort()
            return
        task = asyncio.get_running_loop().create_task(serve(stream))
        self._streams[task] = stream
        task.add_done_callback(partial(self._forget, stream))

    async def stop(self, grace: float, hopeless: Callable[[], Collection[Stream]] = tuple) -> None:
        """End at once what cannot end by itself, and the rest after ``grace`` seconds.

        Args:
            grace: Seconds that transfers in progress get.
            hopeless: Those that have nothing to finish, though bytes may still come.
        """
        self._stopped = True
        until = asyncio.get_running_loop().time() + grace
        ended: set[asyncio.Task[None]] = set()
        while self._streams and (left := until - asyncio.get_running_loop().time()) > 0:
            lost = hopeless()
            for task, stream in self._streams.items():
                if task not in ended and (stream in lost or _is_quiet(stream)):
                    ended.add(task)
                    task.cancel()
            await asyncio.wait(self._streams, timeout=min(LOOK, left))
        rest = list(self._streams)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _forget(self, stream: Stream, task: asyncio.Task[None]) -> None:
        del self._streams[task]
        stream.abort()  # a task that is cancelled before its first step cannot do that
        if not task.cancelled() and (error := task.exception()):
            _log.error("a connection ended with a bug", exc_info=error)


def _is_quiet(stream: Stream) -> bool:
    return not stream.owes_answer and stream.idle >= QUIET
