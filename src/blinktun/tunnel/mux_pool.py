"""A blinksocks client's shared connections (blinksocks wire, section 7)."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from blinktun.errors import RemoteError, TransportError
from blinktun.presets.base import PresetContext, Role
from blinktun.tunnel.mux_session import ANSWER_WAIT, MuxSession
from blinktun.tunnel.outbound import Outbound
from blinktun.tunnel.preset_stream import PresetStream

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.config.model import ServerLink
    from blinktun.presets.registry import PipelineMaker
    from blinktun.transports.base import Dialer, Stream

_log = logging.getLogger("blinktun.blinksocks")


class MuxOutbound(Outbound):
    """Puts every target on one of at most ``mux_concurrency`` connections.

    A new target goes to the connection with the fewest, or to a new one while all are in use and
    there may be more. One that has carried nothing for ``idle`` seconds is closed.

    Args:
        link: Where to, and how many.
        make_pipeline: Makes the presets of a connection.
        dialer: Connects to the server.
        idle: Seconds.
        answer_wait: As of `MuxSession`.
    """

    def __init__(
        self,
        link: ServerLink,
        make_pipeline: PipelineMaker,
        dialer: Dialer,
        *,
        idle: float,
        answer_wait: float = ANSWER_WAIT,
    ) -> None:
        self._link = link
        self._make_pipeline = make_pipeline.for_mux
        self._context = PresetContext(Role.CLIENT, link.key)
        self._dialer = dialer
        self._idle = idle
        self._answer_wait = answer_wait
        self._sessions: dict[MuxSession, asyncio.Task[None]] = {}
        self._dials: set[asyncio.Task[MuxSession]] = set()
        self.sends_lone_header = True

    async def open(self, target: Address) -> Stream:
        """Take the best connection, or make one."""
        session = self._best()
        if session is None or (len(session) and self._may_dial()):
            session = await self._dial(session)
        return session.open(target)

    async def aclose(self) -> None:
        """Close all of them."""
        tasks = [*self._dials, *self._sessions.values()]
        await asyncio.gather(*(session.aclose() for session in self._sessions))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._dialer.aclose()

    def _usable(self) -> list[MuxSession]:
        return [session for session in self._sessions if not session.ended]

    def _best(self) -> MuxSession | None:
        return min(self._usable(), key=lambda one: (one.is_stalled, len(one)), default=None)

    def _may_dial(self) -> bool:
        return len(self._usable()) + len(self._dials) < self._link.mux_concurrency

    async def _dial(self, instead: MuxSession | None) -> MuxSession:
        """Make a connection, or wait for one that is being made; ``instead`` if that fails."""
        if self._may_dial():
            task = asyncio.get_running_loop().create_task(self._connect())
            self._dials.add(task)
            task.add_done_callback(self._dialled)
        else:
            task = next(iter(self._dials))
        try:
            return await asyncio.shield(task)
        except TransportError:
            if instead is None or instead.ended:
                raise
            return instead

    def _dialled(self, task: asyncio.Task[MuxSession]) -> None:
        self._dials.discard(task)
        if not task.cancelled():
            task.exception()  # seen, even if nobody waits for it any more

    async def _connect(self) -> MuxSession:
        wire = await self._dialer.connect(self._link.address)
        link = PresetStream(wire, self._make_pipeline(self._context))
        session = MuxSession(link, answer_wait=self._answer_wait)
        task = asyncio.get_running_loop().create_task(self._run(session))
        self._sessions[session] = task
        task.add_done_callback(lambda _task: self._sessions.pop(session, None))
        return session

    async def _run(self, session: MuxSession) -> None:
        started = time.monotonic()
        how = "closed"
        try:
            await session.run(idle=self._idle)
        except (TransportError, RemoteError) as error:
            how = str(error)
        finally:
            session.abort()
        age = time.monotonic() - started
        _log.info("shared connection to %s: %.2f s, %s", session.peer, age, how)
