"""Connections whose peers have not shown yet who they are or what they want."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blinktun.net.limits import host_of, share_for_unauthenticated, source_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HANDSHAKE_TIMEOUT = 10.0
"""Seconds that a peer or an application has to show it."""
PER_SOURCE = 100
"""Connections that one source may have so."""
_GRACE = 2.0
"""Seconds for which a source may have more: many begin at one moment, and honest ones are quick."""


@dataclass(frozen=True, slots=True)
class _Entry:
    source: str
    since: float
    close: Callable[[], None]


class HalfOpen:
    """Bounds them, in all and for each source; the oldest has to go.

    Args:
        limit: How many there may be; None: what the descriptors of the process allow.
        per_source: How many of one source there may be, except in their first 2 s.
    """

    def __init__(self, limit: int | None = None, *, per_source: int = PER_SOURCE) -> None:
        self._limit = share_for_unauthenticated() if limit is None else limit
        self._per_source = per_source
        self._entries: dict[int, _Entry] = {}
        self._by_source: dict[str, dict[int, None]] = {}
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @contextmanager
    def hold(self, peer: str, close: Callable[[], None]) -> Iterator[None]:
        """Count a connection while the block runs."""
        number = self.add(peer, close)
        try:
            yield
        finally:
            self.remove(number)

    def add(self, peer: str, close: Callable[[], None]) -> int:
        """Count a connection until `remove`.

        Args:
            peer: Its other end, as a stream says it.
            close: Breaks it off.
        """
        while len(self._entries) >= self._limit:
            self._drop(next(iter(self._entries)))
        now = asyncio.get_running_loop().time()
        source = source_key(host_of(peer))
        self._next += 1
        self._entries[self._next] = _Entry(source, now, close)
        self._by_source.setdefault(source, {})[self._next] = None
        self._trim(source, now)
        return self._next

    def remove(self, number: int) -> None:
        """It has shown what it is, or is gone."""
        self.settle(number)
        self._entries.pop(number, None)

    def settle(self, number: int) -> None:
        """It counts no more for its source, but still in all."""
        entry = self._entries.get(number)
        if entry is None:
            return
        of_source = self._by_source.get(entry.source, {})
        of_source.pop(number, None)
        if not of_source:
            self._by_source.pop(entry.source, None)

    def _drop(self, number: int) -> None:
        entry = self._entries[number]
        self.remove(number)
        entry.close()

    def _trim(self, source: str, now: float) -> None:
        """Break off what a source has too much, as far as that is not new."""
        numbers = self._by_source.get(source, {})
        while len(numbers) > self._per_source:
            oldest = next(iter(numbers))
            left = self._entries[oldest].since + _GRACE - now
            if left > 0:
                if self._timer is None:
                    later = asyncio.get_running_loop().call_later
                    self._timer = later(left, self._look_again)
                return
            self._drop(oldest)

    def _look_again(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for source in list(self._by_source):
            self._trim(source, now)
