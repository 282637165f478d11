"""The one line that each relayed connection leaves in the log, and the count of those that live."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from blinktun.kcp import RelayResult, Session

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

    def begin(self, title: str) -> Callable[[RelayResult], None]:
        """A relay begins; call the result at its end."""
        began = time.monotonic()
        self._open += 1
        self._idle.clear()

        def done(result: RelayResult) -> None:
            self._open -= 1
            if self._open == 0:
                self._idle.set()
            self.sent += result.sent
            self.received += result.received
            if not self._quiet:
                took = time.monotonic() - began
                _log.info(
                    "stream closed %s: sent %d received %d bytes in %.3f s: %s",
                    title, result.sent, result.received, took, result.error or "clean",
                )  # fmt: skip

        return done

    def traffic(self, sessions: Iterable[Session]) -> tuple[int, int]:
        """Bytes from sockets to streams and back: of all relays, those on ``sessions`` included."""
        living = [session.relayed() for session in sessions]
        sent = self.sent + sum(count for count, _ in living)
        return sent, self.received + sum(count for _, count in living)

    async def wait_idle(self, timeout: float) -> bool:  # noqa: ASYNC109 - false, not an exception
        """Wait until no relay is left. Returns whether that was in time."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True
