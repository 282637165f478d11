"""Who may come to a blinksocks server, where to, and how fast (blinksocks, 9.1)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from blinktun.address import Address
from blinktun.config.acl import Matcher
from blinktun.errors import AccessDenied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.config.acl import Rule

_log = logging.getLogger("blinktun.blinksocks")

_MAX_FAILURES = 2
"""Failures of a source after which it is banned."""
_REMEMBERED = 65536
"""Sources that have failed once, and as many that are banned; the oldest is forgotten first."""


class Limits(NamedTuple):
    """Bytes a second of one connection; None: no limit."""

    upload: int | None = None
    download: int | None = None


class Access:
    """The rules of a server, and the sources that have failed too often.

    Args:
        rules: The last that fits an endpoint counts; None: everybody may everything, and failures
            are not counted.
        remembered: How many sources that failed once, and how many banned ones, are remembered.
    """

    def __init__(self, rules: Sequence[Rule] | None, *, remembered: int = _REMEMBERED) -> None:
        self._matcher = None if rules is None else Matcher(rules)
        self._remembered = remembered
        self._failed: dict[str, int] = {}
        self._banned: dict[str, None] = {}
        if rules is not None:
            _log.info("[acl] %d rules loaded", len(rules))

    def check(self, endpoint: Address) -> Rule | None:
        """Return the rule for a source or target.

        Raises:
            AccessDenied: it is banned.
        """
        if self._matcher is None:
            return None
        if endpoint.host in self._banned:
            raise AccessDenied(f"[acl] banned: {endpoint.host} has failed too often")
        rule = self._matcher.find(endpoint)
        if rule and rule.ban:
            raise AccessDenied(f'[acl] banned by rule: "{rule.text}"')
        return rule

    def permits(self, target: Address, ip: str) -> bool:
        """Whether a target by name may be reached at this address of its."""
        rule = self._matcher.find(target, ip) if self._matcher else None
        return not (rule and rule.ban)

    def limits(self, source: Address, target: Address) -> Limits:
        """How fast a connection may be.

        Raises:
            AccessDenied: one of the two is banned.
        """
        rules = [rule for rule in (self.check(source), self.check(target)) if rule]
        return Limits(
            min((rule.upload for rule in rules if rule.upload), default=None),
            min((rule.download for rule in rules if rule.download), default=None),
        )

    def note_failure(self, source: Address) -> bool:
        """Count a connection that failed the presets; True if its source is banned by now."""
        if self._matcher is None:
            return False
        host = source.host
        failures = self._failed.pop(host, 0) + 1
        if failures < _MAX_FAILURES and host not in self._banned:
            _make_room(self._failed, self._remembered)
            self._failed[host] = failures
            return False
        if host not in self._banned:
            _log.warning("[acl] %s has failed %d times and is banned", host, failures)
            _make_room(self._banned, self._remembered)
            self._banned[host] = None
        return True


def source_of(peer: str) -> Address:
    """The address in the words of a stream's ``peer``."""
    try:
        return Address.parse(peer.partition("(")[0])  # a stream of KCP has its number behind
    except ValueError:  # it was gone before it could be asked
        return Address(peer, 0)


def _make_room(known: dict[str, int] | dict[str, None], limit: int) -> None:
    while len(known) >= limit:
        del known[next(iter(known))]
