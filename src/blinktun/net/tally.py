"""What peers do that have not shown the key: counted, so that nobody fills a log without it."""

from __future__ import annotations

import asyncio
import logging

from blinktun.net.limits import host_of

_SHOWN = 5
"""Sources that get a line of their own at once, in an interval: a wrong key is to be seen."""
_MAX_SOURCES = 4096
"""Sources that are told apart in an interval."""


class Tally:
    """One kind of failure: a line for the first of a source, then a count per interval.

    Args:
        log: Where to.
        one: The line of a single failure; it is given the source and the reason.
        many: What the others did, behind their number and sources.
        level: Of the lines.
        interval: Seconds.
    """

    def __init__(
        self,
        log: logging.Logger,
        one: str,
        many: str,
        *,
        level: int = logging.INFO,
        interval: float = 10.0,
    ) -> None:
        self._log = log
        self._one = one
        self._many = many
        self._level = level
        self._interval = interval
        self._counts: dict[str, int] = {}
        self._shown: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def note(self, peer: str, reason: str) -> None:
        """A connection of this peer has failed."""
        source = host_of(peer)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._interval, self._report)
        if source not in self._shown and len(self._shown) < _SHOWN:
            self._shown.add(source)
            self._log.log(self._level, self._one, source, reason)
            return
        known = source in self._counts or len(self._counts) < _MAX_SOURCES
        source = source if known else "others"
        self._counts[source] = self._counts.get(source, 0) + 1

    def close(self) -> None:
        """Write what has been counted so far."""
        if self._timer:
            self._timer.cancel()
            self._report()

    def _report(self) -> None:
        counts, self._counts, self._timer = self._counts, {}, None
        self._shown.clear()
        if not counts:
            return
        total, first = sum(counts.values()), max(counts, key=counts.__getitem__)
        others = f" and {len(counts) - 1} others" if len(counts) > 1 else ""
        self._log.log(
            self._level,
            "%d more connections from %s%s %s in the last %g s",
            *(total, first, others, self._many, self._interval),
        )
