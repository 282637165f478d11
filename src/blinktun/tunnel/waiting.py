"""Accepted connections that wait for a session: bounded in number and time, and watched."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from blinktun.net.accept import has_left
from blinktun.net.dial import reset
from blinktun.net.limits import share_for_unauthenticated

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from blinktun.kcp import Session

_log = logging.getLogger("blinktun.kcptun")

PATIENCE = 10.0
"""Seconds after which an application is told, by a reset, that there is no session."""
_LOOK = 0.25
"""Seconds between looks for applications that have left."""


class WaitingConnections:
    """Gives each connection the session it waits for, or resets it.

    Args:
        dial: Makes a session, whenever that may be.
        on_session: Gets a session and the connection that waited for it.
    """

    def __init__(
        self,
        dial: Callable[[], Awaitable[Session]],
        on_session: Callable[[Session, socket.socket], None],
    ) -> None:
        self._dial = dial
        self._on_session = on_session
        self._waiting: dict[asyncio.Task[None], socket.socket] = {}
        self._look: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, connection: socket.socket) -> None:
        """Let a connection wait; one too many is reset."""
        if len(self._waiting) >= share_for_unauthenticated():
            reset(connection)
            return
        task = asyncio.get_running_loop().create_task(self._wait(connection))
        self._waiting[task] = connection
        task.add_done_callback(self._forget)
        self._look_later()

    async def aclose(self) -> None:
        """Reset all."""
        if self._look:
            self._look.cancel()
            self._look = None
        waiting = list(self._waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _wait(self, connection: socket.socket) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                session = await self._dial()
        except TimeoutError:
            _log.warning("a connection is reset: no session within %.0f s", PATIENCE)
            reset(connection)
            return
        except BaseException:
            reset(connection)
            raise
        self._on_session(session, connection)

    def _forget(self, task: asyncio.Task[None]) -> None:
        connection = self._waiting.pop(task)
        if task.cancelled():
            reset(connection)  # it may not have come to its first step

    def _look_later(self) -> None:
        if self._look is None and self._waiting:
            self._look = asyncio.get_running_loop().call_later(_LOOK, self._drop_those_who_left)

    def _drop_those_who_left(self) -> None:
        self._look = None
        for task, connection in self._waiting.items():
            if has_left(connection):
                task.cancel()
        self._look_later()
