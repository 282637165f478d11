"""The one line that each relayed connection leaves in the log, and the count of those that live."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from blinktun.tunnel.connections import LOOK, QUIET

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from blinktun.kcp import RelayResult, Session
    from blinktun.kcp.keys import StreamKey

_log = logging.getLogger("blinktun.kcptun")


class Relays:
    """The relays of a role.

    Attributes:
        sent: Bytes from sockets to streams, of relays that are over.
        received: Bytes from streams to sockets, of relays that are over.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.sent = 0
        self.received = 0

    def join(
        self,
        session: Session,
        key: StreamKey,
        connection: socket.socket,
        title: str,
        *,
        connecting: bool = False,
    ) -> None:
        """Join a stream of ``session`` and a socket, which is taken over.

        Raises:
            TransportError: the session or the stream is over. Both are broken off.
        """
        began = time.monotonic()

        def done(result: RelayResult) -> None:
            self._open -= 1
            if self._open == 0:
                self._idle.set()
            self.sent += result.sent
            self.received += result.received
            if not result.connected:
                _log.warning("not connected %s: %s", title, result.error)
            elif not self._quiet:
                took = time.monotonic() - began
                _log.info(
                    "stream closed %s: sent %d received %d bytes in %.3f s: %s",
                    title, result.sent, result.received, took, result.error or "clean",
                )  # fmt: skip

        session.relay(key, connection, done, connecting=connecting)
        self._open += 1
        self._idle.clear()

    def traffic(self, sessions: Iterable[Session]) -> tuple[int, int]:
        """Bytes from sockets to streams and back: of all relays, those on ``sessions`` included."""
        living = [session.relayed() for session in sessions]
        sent = self.sent + sum(count for count, _ in living)
        return sent, self.received + sum(count for _, count in living)

    async def stop(self, sessions: Callable[[], Iterable[Session]]) -> None:
        """Break off what is not expected to end by itself, and wait for the rest."""
        while self._open:
            for session in sessions():
                for key in session.quiet_relays(QUIET):
                    session.reset(key)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._idle.wait()
