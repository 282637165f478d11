"""Roles of one process, and the hops between them that need no network.

A blinksocks client whose server address is where a kcptun client of the same process listens gets
its streams from that client's sessions; a kcptun server whose target is where a blinksocks server
of the process listens hands it the streams. What is on the wire stays the same, and everybody still
listens: others may use these ports too.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.app.roles import make_role
from blinktun.config.model import BlinksocksClient, BlinksocksServer, KcptunClient, KcptunServer

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        made[number] = _join(config, configs, made) or make_role(config)
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


def _join(config: RoleConfig, configs: Sequence[RoleConfig], made: dict[int, Role]) -> Role | None:
    match config:
        case BlinksocksClient() if config.server.transport == "tcp":
            return _joined_client(config, configs, made)
        case KcptunServer():
            return _joined_server(config, configs, made)
    return None


def _joined_client(
    config: BlinksocksClient, configs: Sequence[RoleConfig], made: dict[int, Role]
) -> Role | None:
    from blinktun.tunnel.blinksocks_client import BlinksocksClientRole

    for number, other in enumerate(configs):
        if (
            isinstance(other, KcptunClient)
            and isinstance(other.localaddr, Address)
            and reaches(config.server.address, other.localaddr)
        ):
            road: KcptunClientRole = made[number]  # type: ignore[assignment]  # by its config
            _say(config.source, other.source)
            return BlinksocksClientRole(config, road.dialer)
    return None


def _joined_server(
    config: KcptunServer, configs: Sequence[RoleConfig], made: dict[int, Role]
) -> Role | None:
    from blinktun.tunnel.kcptun_server import KcptunServerRole

    for number, other in enumerate(configs):
        if (
            isinstance(other, BlinksocksServer)
            and other.server.transport == "tcp"
            and isinstance(config.target, Address)
            and reaches(config.target, other.server.address)
        ):
            end: BlinksocksServerRole = made[number]  # type: ignore[assignment]  # by its config
            _say(config.source, other.source)
            return KcptunServerRole(config, deliver=end.take)
    return None


def _say(one: str, other: str) -> None:
    _log.info("%s and %s meet in this process: no connection between them", one, other)


def _plain(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host
