"""Who exchanges datagrams with whom, as long as it goes on."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ASSOCIATIONS = 500
"""As upstream; each holds a socket."""
IDLE = 100.0
"""Seconds without a datagram after which one is closed. Upstream closes them in use as well."""


class Closable(Protocol):
    """What stands for an association."""

    def close(self) -> None:
        """Let go of everything."""


_K = TypeVar("_K")
_A = TypeVar("_A", bound=Closable)


class Associations(Generic[_K, _A]):
    """Associations by their key, the least used first to go when there are too many."""

    def __init__(
        self,
        *,
        limit: int = MAX_ASSOCIATIONS,
        idle: float = IDLE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._idle = idle
        self._clock = clock
        self._known: dict[_K, tuple[float, _A]] = {}  # the oldest use first
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: _K, make: Callable[[], _A]) -> _A:
        """Return the association of a key, made if there is none; this is a use."""
        known = self._known.pop(key, None)
        if known is None:
            while len(self._known) >= self._limit:
                self.drop(next(iter(self._known)))
        association = known[1] if known else make()
        self._known[key] = self._clock(), association
        self._look_later()
        return association

    def touch(self, key: _K) -> bool:
        """Note a use; False if there is no such association."""
        known = self._known.pop(key, None)
        if known is None:
            return False
        self._known[key] = self._clock(), known[1]
        return True

    def drop(self, key: _K) -> None:
        """Close one."""
        known = self._known.pop(key, None)
        if known is not None:
            known[1].close()

    def close(self) -> None:
        """Close all."""
        for key in list(self._known):
            self.drop(key)
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _look_later(self) -> None:
        if self._timer is None and self._known:
            delay = self._idle / 10
            self._timer = asyncio.get_running_loop().call_later(delay, self._expire)

    def _expire(self) -> None:
        self._timer = None
        last = self._clock() - self._idle
        for key in [key for key, (used, _) in self._known.items() if used <= last]:
            self.drop(key)
        self._look_later()
