"""Who may come to a blinksocks server, where to, and how fast (blinksocks, 9.1)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from blinktun.address import Address
from blinktun.admission.targets import TargetPolicy
from blinktun.config.acl import End, Matcher
from blinktun.config.model import Targets
from blinktun.errors import AccessDenied
from blinktun.net.limits import source_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
        targets: Judges addresses that no rule opens.
        remembered: How many sources that failed once, and how many banned ones, are remembered.
    """

    def __init__(
        self,
        rules: Sequence[Rule] | None,
        targets: TargetPolicy | None = None,
        *,
        remembered: int = _REMEMBERED,
    ) -> None:
        self._targets = targets or TargetPolicy(Targets.ANY)
        self._matchers = None if rules is None else _matchers(rules)
        self._remembered = remembered
        self._failed: dict[str, int] = {}
        self._banned: dict[str, None] = {}
        if rules is not None:
            _log.info("[acl] %d rules loaded", len(rules))

    def check_source(self, source: Address) -> Rule | None:
        """Return the rule for a client.

        Raises:
            AccessDenied: it is banned.
        """
        return self._check(End.SOURCE, source)

    def check_target(self, target: Address) -> Rule | None:
        """Return the rule for a target.

        Raises:
            AccessDenied: it is banned, or an address that clients may not reach.
        """
        rule = self._check(End.TARGET, target)
        if not _opens(rule) and (objection := self._targets.objection(target.host)):
            raise AccessDenied(f"refused: {objection}")
        return rule

    def permits(self, target: Address, ip: str) -> bool:
        """Whether a target may be reached at this address of its."""
        rule = self._matchers[End.TARGET].find(target, ip) if self._matchers else None
        if rule and rule.ban:
            return False
        return _opens(rule) or not self._targets.objection(ip)

    def limits(self, source: Address, target: Address) -> Limits:
        """How fast a connection may be.

        Raises:
            AccessDenied: one of the two is banned.
        """
        found = (self.check_source(source), self.check_target(target))
        rules = [rule for rule in found if rule]
        return Limits(
            min((rule.upload for rule in rules if rule.upload), default=None),
            min((rule.download for rule in rules if rule.download), default=None),
        )

    def _check(self, end: End, endpoint: Address) -> Rule | None:
        if self._matchers is None:
            return None
        if end is End.SOURCE and source_key(endpoint.host) in self._banned:
            raise AccessDenied(f"[acl] banned: {endpoint.host} has failed too often")
        rule = self._matchers[end].find(endpoint)
        if rule and rule.ban:
            raise AccessDenied(f'[acl] banned by rule: "{rule.text}"')
        return rule

    def note_failure(self, source: Address) -> bool:
        """Count a connection that failed the presets; True if its source is banned by now."""
        if self._matchers is None:
            return False
        host = source_key(source.host)
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


def _opens(rule: Rule | None) -> bool:
    """Whether a rule allows a target that the policy refuses: it must name it, as a target."""
    return rule is not None and rule.end is End.TARGET and rule.host != "*" and not rule.ban


def source_of(peer: str) -> Address:
    """The address in the words of a stream's ``peer``."""
    try:
        return Address.parse(peer.partition("(")[0])  # a stream of KCP has its number behind
    except ValueError:  # it was gone before it could be asked
        return Address(peer, 0)


def _matchers(rules: Sequence[Rule]) -> Mapping[End, Matcher]:
    return {end: Matcher(rule for rule in rules if rule.is_about(end)) for end in End}


def _make_room(known: dict[str, int] | dict[str, None], limit: int) -> None:
    while len(known) >= limit:
        del known[next(iter(known))]
