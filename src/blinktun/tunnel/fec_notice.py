"""The log line about peers whose FEC numbers are not ours."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blinktun.config.model import KcpSettings
    from blinktun.kcp import Session

_log = logging.getLogger("blinktun.kcptun")

_EVERY = 60.0
"""Seconds from one line to the next: a server may have thousands of such clients."""


def fec_notice(settings: KcpSettings) -> FecNotice | None:
    """The notice of a role; None with mode auto, which sends parity to no peer."""
    return None if settings.is_auto else FecNotice(settings)


class FecNotice:
    """Says what differs and what to do, for one session a minute; counts the others."""

    def __init__(self, settings: KcpSettings) -> None:
        self._ours = _words(settings.datashard, settings.parityshard)
        self._next = 0.0
        self._unsaid = 0

    def __call__(self, session: Session, theirs: tuple[int, int] | None) -> None:
        """A session sends without FEC.

        Args:
            session: Whose peer is not blinktun.
            theirs: The peer's numbers, data and parity; 0 and 0: it has no FEC; None: not known.
        """
        now = asyncio.get_running_loop().time()
        if now < self._next:
            self._unsaid += 1
            return
        before = f" ({self._unsaid} more peers since the last such line)" if self._unsaid else ""
        self._next, self._unsaid = now + _EVERY, 0
        _log.warning(
            "%s uses %s, here %s: error correction towards it is off; set the same on both ends%s",
            session.peer, _words(*theirs) if theirs else "other FEC numbers", self._ours, before,
        )  # fmt: skip


def _words(data: int, parity: int) -> str:
    if data and parity:
        return f"datashard {data} parityshard {parity}"
    return "no FEC (datashard 0 parityshard 0)"
