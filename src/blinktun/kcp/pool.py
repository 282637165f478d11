"""The sessions of a client: which one takes the next stream, which are made or closed.

``conn`` slots take new streams in turn. A slot's session is replaced, for new streams only, when it
is over, when ``autoexpire`` has passed, or when its peer has gone silent; streams that live on a
replaced session stay there. So a server that was restarted is found again without waiting for the
old session to be given up.

Flows of datagrams do not stay: what waits for a silent peer is worth nothing when it answers. They
end when a session has been silent for 3 seconds, and whoever has one takes a new session with the
next datagram.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.kcp import api
from blinktun.kcp.core_config import core_config
from blinktun.kcp.driver import Driver
from blinktun.kcp.session import wait_idle

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.config.model import KcpLink, PortRange
    from blinktun.kcp.session import Session, Shards

_log = logging.getLogger("blinktun.kcptun")

_RETRY = 1.0
"""Seconds between attempts while the server's name or a socket cannot be had; twice as many each
time, unless another stream comes."""
_MAX_RETRY = 30.0
_COMPLAINT_PAUSE = 60.0
"""Seconds between two log lines about that."""
_UNHEARD_PATIENCE = 4.0
"""Seconds after which a session that was never answered is dialled anew: a name may have moved."""
_FLOW_PATIENCE = 3.0
"""Seconds of silence after which the flows of a session end."""
_SCAVENGE = 1.0
"""Seconds between looks at expired sessions."""
_FORGOTTEN = 25.0
"""A server may have forgotten a machine that has slept so many seconds: it gives a session up that
has no stream and says nothing for 30."""
_INTRODUCED = 3.0
"""A server that has answered has said within so many seconds whether it follows."""
_JITTER = 0.25
"""Hops come so much earlier or later, as a part of their time: nobody sees a clock in them."""


class SessionPool:
    """The sessions of one client.

    Bound: ``conn`` sessions in slots, and the replaced ones that still carry streams, each of
    which ends by ``autoexpire + scavengettl``, by keepalive, or with its last stream.

    Attributes:
        on_mismatch: Told when a session's peer turns out to have other FEC numbers.
        stream_class: The class that whoever opens a stream is to say of it.

    Raises:
        ConfigError: the settings cannot work.
    """

    def __init__(self, remote: PortRange, link: KcpLink) -> None:
        core_config(link.kcp)
        self._remote = remote
        self._link = link
        self.stream_class = link.stream_class
        self._slots: list[Session | None] = [None] * link.conn
        self._dialing: list[asyncio.Task[Session] | None] = [None] * link.conn
        self._waiting = [0] * link.conn
        self._arrived = asyncio.Event()
        self._complained: float | None = None
        self._attempt = 0
        self._replaced: set[Session] = set()
        self._next = 0
        self._scavenger: asyncio.Task[None] | None = None
        self._hopper: asyncio.Task[None] | None = None
        self._told = False
        self.on_mismatch: Callable[[Session, Shards | None], None] | None = None

    def pick(self) -> Session | None:
        """The session for the next stream, if it exists; else `dial` makes it."""
        session = self._slots[self._next % len(self._slots)]
        if session is None or not self._takes_streams(session):
            return None
        self._next += 1
        return session

    async def dial(self) -> Session:
        """The session for the next stream, made if need be.

        It is tried again until it can be made, or until no stream waits for it any more.
        """
        if self._scavenger is None:
            self._scavenger = asyncio.get_running_loop().create_task(self._scavenge())
        if self._hopper is None and self._link.hop:
            self._hopper = asyncio.get_running_loop().create_task(self._hop())
        slot = self._next % len(self._slots)
        self._next += 1
        task = self._dialing[slot]
        if task is None or task.done() or task.cancelling():
            task = asyncio.get_running_loop().create_task(self._dial(slot))
            self._dialing[slot] = task
        self._arrived.set()
        self._waiting[slot] += 1
        try:
            return await asyncio.shield(task)
        finally:
            self._waiting[slot] -= 1
            if not self._waiting[slot]:
                task.cancel()  # does nothing if it is done

    async def aclose(self) -> None:
        """End all sessions, as `Session.aclose` does."""
        tasks = [task for task in (self._scavenger, self._hopper, *self._dialing) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(session.aclose() for session in self.sessions()))

    async def wait_idle(self) -> None:
        """Wait until no stream is in use."""
        await wait_idle(self.sessions)

    def sessions(self) -> list[Session]:
        """All sessions that live."""
        slots = [session for session in self._slots if session]
        return [session for session in (*slots, *self._replaced) if not session.is_closed]

    def _takes_streams(self, session: Session) -> bool:
        age = asyncio.get_running_loop().time() - session.born
        if session.is_closed or 0 < self._link.autoexpire <= age:
            return False
        if session.silent:
            return not (session.heard or self._has_other_way(session)) and age < _UNHEARD_PATIENCE
        return True

    def _has_other_way(self, session: Session) -> bool:
        """Whether the server's name has an address that has not been tried yet."""
        return self._attempt < session.alternatives

    async def _dial(self, slot: int) -> Session:
        old = self._slots[slot]
        if old is not None:
            if self._takes_streams(old):
                return old
            self._replaced.add(old)
            self._slots[slot] = None
            if not old.heard and old.silent:
                self._attempt += 1  # of a name with several addresses, the next one
        pause = _RETRY
        while True:
            self._arrived.clear()
            try:
                session = await api.connect(self._server(), self._link.kcp, attempt=self._attempt)
            except TransportError as error:
                self._complain(error)
                await self._rest(pause)
                pause = min(2 * pause, _MAX_RETRY)
                continue
            _log.info(
                "smux version: %s on connection: %s -> %s",
                session.smux_version, session.local, session.peer,
            )  # fmt: skip
            session.on_silence = self._on_silence
            session.on_wake = self._on_wake
            session.on_mismatch = self.on_mismatch
            self._slots[slot] = session
            return session

    async def _rest(self, pause: float) -> None:
        """Wait before the next attempt; one second is enough if another stream or network comes."""
        roaming = Driver.current().roaming
        roaming.wait(self._arrived.set)
        try:
            await asyncio.sleep(_RETRY)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause - _RETRY):
                    await self._arrived.wait()
        finally:
            roaming.forget(self._arrived.set)

    def _complain(self, error: TransportError) -> None:
        now = asyncio.get_running_loop().time()
        if self._complained is None or now >= self._complained + _COMPLAINT_PAUSE:
            self._complained = now
            _log.warning("re-connecting: %s", error)

    def _on_silence(self, session: Session) -> None:
        """Log it; of a name with several addresses each gets one short chance."""
        _report_silence(session)
        if not session.heard and self._has_other_way(session):
            session.close()
        else:
            asyncio.get_running_loop().call_later(_FLOW_PATIENCE, _end_flows, session)

    def _on_wake(self, session: Session, slept: float) -> None:
        """A session without streams is made anew for the next one: its server has given it up."""
        if slept >= _FORGOTTEN and not (session.streams or session.flows):
            session.close()

    def _server(self) -> Address:
        return Address(random.choice(self._remote.hosts), self._port())  # noqa: S311 - as below

    def _port(self) -> int:
        remote = self._remote
        return random.randint(remote.first, remote.last)  # noqa: S311 - spreads load, hides nothing

    async def _hop(self) -> None:
        """Have each session change its ports now and then."""
        while True:
            spread = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - as above
            await asyncio.sleep(self._link.hop * spread)
            for session in self.sessions():
                if not session.silent and not session.hop(self._port()):
                    self._note_that_nobody_follows(session)

    def _note_that_nobody_follows(self, session: Session) -> None:
        """The server has said what it is, and nothing of that."""
        age = asyncio.get_running_loop().time() - session.born
        stats = session.stats()
        if stats and stats.rtt is not None and age >= _INTRODUCED and not self._told:
            self._told = True
            _log.warning("%s does not follow to other ports: hop has no effect", session.peer)

    async def _scavenge(self) -> None:
        while True:
            await asyncio.sleep(_SCAVENGE)
            now = asyncio.get_running_loop().time()
            spent = [session for session in self.sessions() if self._is_spent(session, now)]
            await asyncio.gather(*(session.aclose() for session in spent))
            self._replaced = {session for session in self._replaced if not session.is_closed}

    def _is_spent(self, session: Session, now: float) -> bool:
        # A relay may hold its end back, and its last bytes may still be on their way after it.
        has_users = session.streams or session.flows
        unused = not has_users and (session.is_idle or session.silent)
        if session in self._replaced and unused:
            _log.debug("scavenger: session normally closed: %s", session.peer)
            return True
        expire = self._link.autoexpire
        if expire and now >= session.born + expire + self._link.scavengettl:
            _log.info("scavenger: session closed due to ttl: %s", session.peer)
            return True
        return False


def _end_flows(session: Session) -> None:
    if session.silent:
        session.end_flows("the other end has stopped answering")


def _report_silence(session: Session) -> None:
    if session.heard:
        _log.warning("%s has stopped answering; new streams get a new session", session.peer)
    else:
        _log.warning(
            "no answer from %s yet: is the server running there, with the same key and crypt?",
            session.peer,
        )
