"""Targets that are not as others."""

from __future__ import annotations

from blinktun.address import Address

DATAGRAMS = Address("datagrams.blinktun.invalid", 1)
"""The target that means datagrams (names in ``.invalid`` never resolve: RFC 6761, 6.4)."""
_NAME_SERVERS = frozenset({53, 853})
"""Their ports: DNS in clear, and over TLS."""


def is_interactive(target: Address) -> bool:
    """Whether somebody waits for each byte of this target: names and datagrams."""
    return target == DATAGRAMS or target.port in _NAME_SERVERS
