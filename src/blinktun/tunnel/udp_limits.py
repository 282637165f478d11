"""Rules for datagrams: what is banned, or comes faster than a rule allows, is lost."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from blinktun.errors import AccessDenied
from blinktun.tunnel.paced_stream import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from blinktun.address import Address
    from blinktun.admission.access import Access
    from blinktun.config.acl import Rule

_log = logging.getLogger("blinktun.blinksocks")

_BURST = 1.0
"""Seconds' worth of bytes beyond a limit that may come at once."""


class UdpGate:
    """Decides about the datagrams of one association.

    Args:
        access: The rules.
        source: The client.

    Raises:
        AccessDenied: the client is banned.
    """

    def __init__(self, access: Access, source: Address) -> None:
        self._access = access
        self._source = source
        self._rule = access.check_source(source)
        self._limits = UdpLimits()
        self.permits = access.permits

    def allows(self, target: Address, size: int, *, up: bool) -> bool:
        """Whether a datagram may pass, to a target or (not ``up``) from one."""
        try:
            rule = self._access.check_target(target)
        except AccessDenied as error:
            _log.debug("%s -> %s: %s", self._source, target, error)
            return False
        return self._limits.allow((self._rule, rule), size, up=up)


class UdpLimits:
    """What one association has carried, beside the limits of each rule that it met.

    Args:
        clock: Seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._paces: dict[tuple[Rule, bool], Pace] = {}

    def allow(self, rules: Iterable[Rule | None], size: int, *, up: bool) -> bool:
        """Whether a datagram may pass; then it is charged to every rule."""
        limited = [rule for rule in rules if rule and (rule.upload if up else rule.download)]
        if not limited:
            return True
        now = self._clock()
        paces = [self._pace(rule, now, up=up) for rule in limited]
        if any(pace.delay(now) > _BURST for pace in paces):
            return False
        for pace in paces:
            pace.charge(size, now)
        return True

    def _pace(self, rule: Rule, now: float, *, up: bool) -> Pace:
        pace = self._paces.get((rule, up))
        if pace is None:
            rate = (rule.upload if up else rule.download) or 0
            pace = self._paces[rule, up] = Pace(rate, now)
        return pace
