"""Which addresses clients may reach through a server, where no rule says otherwise."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from blinktun.config.model import Targets
from blinktun.destination import AddressKind, destinations, kind_of, parse_ip
from blinktun.net.own_addresses import is_own

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.destination import Ip

_LIFETIME = 1.0
"""Seconds that a judgement is kept: a datagram each would ask again, and addresses change."""
_MAX_KEPT = 4096
_ALLOWED = {
    Targets.ANY: frozenset(AddressKind),
    Targets.REMOTE: frozenset({AddressKind.PRIVATE, AddressKind.PUBLIC}),
    Targets.PUBLIC: frozenset({AddressKind.PUBLIC}),
}


class TargetPolicy:
    """Judges the address that is about to be connected to, however it was written or found.

    Args:
        targets: What may be reached.
        is_own: Whether an address is one of this machine's.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        targets: Targets,
        *,
        is_own: Callable[[Ip], bool] = is_own,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._targets = targets
        self._is_own = is_own
        self._clock = clock
        self._kept: dict[str, str] = {}
        self._kept_until = 0.0

    def objection(self, host: str) -> str:
        """Why an address may not be reached; empty if it may, or if ``host`` is a name."""
        if self._targets is Targets.ANY:
            return ""
        now = self._clock()
        if now >= self._kept_until or len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
            self._kept_until = now + _LIFETIME
        if host not in self._kept:
            self._kept[host] = self._judge(host)
        return self._kept[host]

    def _judge(self, host: str) -> str:
        ip = parse_ip(host)
        if ip is None:
            return ""
        kind = kind_of(ip)
        what = kind.value
        if kind in _ALLOWED[self._targets]:
            if not any(map(self._is_own, destinations(ip))):
                return ""
            what = "an address of this machine"
        return f'{host} is {what}, which "targets": "{self._targets.value}" leaves out'
