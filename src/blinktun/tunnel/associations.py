"""Exchanges of datagrams, each as long as it goes on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.net.udp import Route

MAX_ASSOCIATIONS = 500
"""As upstream; each holds a socket."""
IDLE = 100.0
"""Seconds without a datagram after which one is closed. Upstream closes them in use as well."""


class Closable(Protocol):
    """What an association holds."""

    def close(self) -> None:
        """Let go of everything."""


_A = TypeVar("_A", bound=Closable)


class Associations(Generic[_A]):
    """Associations by the route of their peer.

    When there are too many, the oldest of those goes whose peer has sent only once. If there is
    none, the host with the most loses the one that was not used for longest. So neither forged
    sources nor one host with many ports take the place of the other hosts.

    Args:
        limit: How many there may be.
        idle: Seconds without a datagram after which one is closed.
        clock: Seconds, monotonic.
    """

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
        self._known: dict[Route, tuple[float, _A]] = {}  # the oldest use first
        self._new: dict[Route, None] = {}  # those whose peer has sent once; the oldest first
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._known)

    def find(self, route: Route) -> _A | None:
        """Return the association of a route; this is no use of it."""
        known = self._known.get(route)
        return known[1] if known else None

    def add(self, route: Route, association: _A) -> None:
        """Add one, for the first datagram of its peer."""
        self.drop(route)
        while len(self._known) >= self._limit:
            self.drop(self._least_missed())
        self._known[route] = self._clock(), association
        self._new[route] = None
        self._look_later()

    def touch(self, route: Route, *, by_peer: bool) -> None:
        """Note a use: a datagram from the peer, or one to it."""
        known = self._known.pop(route, None)
        if known is not None:
            self._known[route] = self._clock(), known[1]
            if by_peer:
                self._new.pop(route, None)

    def drop(self, route: Route) -> None:
        """Close one."""
        known = self._known.pop(route, None)
        self._new.pop(route, None)
        if known is not None:
            known[1].close()

    def close(self) -> None:
        """Close all."""
        for route in list(self._known):
            self.drop(route)
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _least_missed(self) -> Route:
        if self._new:
            return next(iter(self._new))
        hosts = Counter(route.remote.host for route in self._known)
        [(busiest, _)] = hosts.most_common(1)
        return next(route for route in self._known if route.remote.host == busiest)

    def _look_later(self) -> None:
        if self._timer is None and self._known:
            delay = self._idle / 10
            self._timer = asyncio.get_running_loop().call_later(delay, self._expire)

    def _expire(self) -> None:
        self._timer = None
        last = self._clock() - self._idle
        for route in [route for route, (used, _) in self._known.items() if used <= last]:
            self.drop(route)
        self._look_later()
