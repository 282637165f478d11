"""The connections of a role: who owns their tasks, and what is logged at their end."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from blinktun.transports.base import Stream

_log = logging.getLogger("blinktun.tunnel")


class Connections:
    """Owns one task per connection, until it ends or is stopped."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, stream: Stream, serve: Callable[[Stream], Coroutine[None, None, None]]) -> None:
        """Run a connection; one that was accepted during ``stop`` is reset."""
        if self._stopped:
            stream.abort()
            return
        task = asyncio.get_running_loop().create_task(serve(stream))
        self._tasks.add(task)
        task.add_done_callback(partial(self._forget, stream))

    async def stop(self, grace: float) -> None:
        """Wait ``grace`` seconds for the connections to end by themselves, then cancel them."""
        self._stopped = True
        if self._tasks and grace > 0:
            await asyncio.wait(self._tasks, timeout=grace)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _forget(self, stream: Stream, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        stream.abort()  # a task that is cancelled before its first step cannot do that
        if not task.cancelled() and (error := task.exception()):
            _log.error("a connection ended with a bug", exc_info=error)
