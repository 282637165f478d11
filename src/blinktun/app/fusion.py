"""Roles of one process, and the hops between them that need no network.

A blinksocks client whose server address is where a kcptun client of the same process listens gets
its streams from that client's sessions; a kcptun server whose target is where a blinksocks server
of the process listens hands it the streams. What is on the wire stays the same, and everybody still
listens: others may use these ports too.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from blinktun.address import Address
from blinktun.app.roles import make_role
from blinktun.config.model import BlinksocksClient, BlinksocksServer, KcptunClient, KcptunServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from blinktun.app.roles import Role
    from blinktun.config.model import RoleConfig
    from blinktun.tunnel.blinksocks_server import BlinksocksServerRole
    from blinktun.tunnel.kcptun_client import KcptunClientRole

_log = logging.getLogger("blinktun")

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - to recognise, not to bind


def make_roles(configs: Sequence[RoleConfig]) -> list[Role]:
    """The roles that configurations ask for, in their order, joined where they meet.

    Raises:
        ConfigError: a configuration cannot be used.
    """
    made: dict[int, Role] = {}
    for number, config in _users_last(configs):
        neighbours = [(configs[at], role) for at, role in made.items()]
        made[number] = _joined(config, neighbours) or make_role(config)
    return [made[number] for number in range(len(configs))]


def reaches(address: Address, listens: Address) -> bool:
    """Whether who connects to ``address`` on this machine reaches who listens there."""
    if address.port != listens.port or not address.port:
        return False
    host, there = _plain(address.host), _plain(listens.host)
    return host == there or (host in _LOOPBACK and there in _EVERYWHERE)


def _users_last(configs: Sequence[RoleConfig]) -> list[tuple[int, RoleConfig]]:
    """Those that another may need first: kcptun clients, blinksocks servers."""
    needed = (KcptunClient, BlinksocksServer)
    return sorted(enumerate(configs), key=lambda item: not isinstance(item[1], needed))


def _joined(config: RoleConfig, neighbours: Iterable[tuple[RoleConfig, Role]]) -> Role | None:
    """The role of ``config``, if it meets one of those that have been made."""
    for other, role in neighbours:
        if joined := _join(config, other, role):
            meeting = "joined in memory: %s -> %s (no TCP socket needed)"
            _log.info(meeting, config.source, other.source)
            return joined
    return None


def _join(config: RoleConfig, other: RoleConfig, role: Role) -> Role | None:
    """The role of ``config``, if it would connect to where ``role``, that of ``other``, listens."""
    match config, other:
        case BlinksocksClient(server=link), KcptunClient(localaddr=Address() as listens) if (
            link.transport == "tcp" and reaches(link.address, listens)
        ):
            from blinktun.tunnel.blinksocks_client import BlinksocksClientRole

            return BlinksocksClientRole(config, cast("KcptunClientRole", role).dialer)
        case KcptunServer(target=Address() as target), BlinksocksServer(server=link) if (
            link.transport == "tcp" and reaches(target, link.address)
        ):
            from blinktun.tunnel.kcptun_server import KcptunServerRole

            return KcptunServerRole(config, deliver=cast("BlinksocksServerRole", role).take)
    return None


def _plain(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host
