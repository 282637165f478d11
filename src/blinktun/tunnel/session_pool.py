"""The sessions of a kcptun client: which one takes the next stream, which are made or closed.

``conn`` slots take new streams in turn. A slot's session is replaced, for new streams only, when it
is over, when ``autoexpire`` has passed, or when its peer has gone silent; streams that live on a
replaced session stay there. So a server that was restarted is found again without waiting for the
old session to be given up.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from blinktun import kcp
from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.tunnel.fec_notice import FecNotice

if TYPE_CHECKING:
    from blinktun.config.model import KcptunClient

_log = logging.getLogger("blinktun.kcptun")

_RETRY = 1.0
"""Seconds between attempts while the server's name or a socket cannot be had."""
_UNHEARD_PATIENCE = 10.0
"""Seconds after which a session that was never answered is dialled anew: a name may have moved."""
_SCAVENGE = 1.0
"""Seconds between looks at expired sessions."""


class SessionPool:
    """The sessions of one client.

    Bound: ``conn`` sessions in slots, and the replaced ones that still carry streams, each of
    which ends by ``autoexpire + scavengettl``, by keepalive, or with its last stream.
    """

    def __init__(self, config: KcptunClient) -> None:
        self._config = config
        self._slots: list[kcp.Session | None] = [None] * config.conn
        self._dialing: list[asyncio.Task[kcp.Session] | None] = [None] * config.conn
        self._replaced: set[kcp.Session] = set()
        self._fec_notice = FecNotice(config.kcp)
        self._next = 0
        self._scavenger: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look after expired sessions."""
        self._scavenger = asyncio.get_running_loop().create_task(self._scavenge())

    def pick(self) -> kcp.Session | None:
        """The session for the next stream, if it exists; else `dial` makes it."""
        session = self._slots[self._next % len(self._slots)]
        if session is None or not self._takes_streams(session):
            return None
        self._next += 1
        return session

    async def dial(self) -> kcp.Session:
        """The session for the next stream, made if need be; tries until it can be made."""
        slot = self._next % len(self._slots)
        self._next += 1
        task = self._dialing[slot]
        if task is None or task.done():
            task = asyncio.get_running_loop().create_task(self._dial(slot))
            self._dialing[slot] = task
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """End all sessions, as `kcp.Session.aclose` does."""
        tasks = [task for task in (self._scavenger, *self._dialing) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(session.aclose() for session in self.sessions()))

    def sessions(self) -> list[kcp.Session]:
        """All sessions that live."""
        slots = [session for session in self._slots if session]
        return [session for session in (*slots, *self._replaced) if not session.is_closed]

    def _takes_streams(self, session: kcp.Session) -> bool:
        age = asyncio.get_running_loop().time() - session.born
        if session.is_closed or 0 < self._config.autoexpire <= age:
            return False
        if session.silent:
            return not session.heard and age < _UNHEARD_PATIENCE
        return True

    async def _dial(self, slot: int) -> kcp.Session:
        old = self._slots[slot]
        if old is not None:
            if self._takes_streams(old):
                return old
            self._replaced.add(old)
            self._slots[slot] = None
        while True:
            try:
                session = await kcp.connect(self._server(), self._config.kcp)
            except TransportError as error:
                _log.warning("re-connecting: %s", error)
                await asyncio.sleep(_RETRY)
                continue
            _log.info(
                "smux version: %s on connection: %s -> %s",
                session.smux_version, session.local, session.peer,
            )  # fmt: skip
            session.on_silence = _report_silence
            session.on_mismatch = self._fec_notice
            self._slots[slot] = session
            return session

    def _server(self) -> Address:
        remote = self._config.remoteaddr
        port = random.randint(remote.first, remote.last)  # noqa: S311 - spreads load, hides nothing
        return Address(remote.host, port)

    async def _scavenge(self) -> None:
        while True:
            await asyncio.sleep(_SCAVENGE)
            now = asyncio.get_running_loop().time()
            spent = [session for session in self.sessions() if self._is_spent(session, now)]
            await asyncio.gather(*(session.aclose() for session in spent))
            self._replaced = {session for session in self._replaced if not session.is_closed}

    def _is_spent(self, session: kcp.Session, now: float) -> bool:
        # A relay's last bytes may still be on their way after its end.
        unused = session.is_idle or (session.silent and session.streams == 0)
        if session in self._replaced and unused:
            _log.debug("scavenger: session normally closed: %s", session.peer)
            return True
        expire = self._config.autoexpire
        if expire and now >= session.born + expire + self._config.scavengettl:
            _log.info("scavenger: session closed due to ttl: %s", session.peer)
            return True
        return False


def _report_silence(session: kcp.Session) -> None:
    if session.heard:
        _log.warning("%s has stopped answering; new streams get a new session", session.peer)
    else:
        _log.warning(
            "no answer from %s yet: is the server running there, with the same key and crypt?",
            session.peer,
        )
