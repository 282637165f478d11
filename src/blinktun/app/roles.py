"""From a configuration to a role, and many roles at once."""

from __future__ import annotations

import asyncio
import logging
from itertools import zip_longest
from typing import TYPE_CHECKING, Protocol, assert_never

from blinktun.config.model import BlinksocksClient, BlinksocksServer, KcptunClient, KcptunServer
from blinktun.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.address import Address
    from blinktun.config.model import RoleConfig

_log = logging.getLogger("blinktun")


class Role(Protocol):
    """One program's configuration at work."""

    @property
    def addresses(self) -> Sequence[Address]:
        """Where it listens, while it runs."""

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes away from the applications and towards them, so far."""

    async def start(self) -> None:
        """Listen."""

    async def stop(self, grace: float = 0.0) -> None:
        """Accept no more, let connections end for ``grace`` seconds, break off the rest."""


def make_role(config: RoleConfig) -> Role:
    """The role that a configuration asks for.

    Each role is imported when it is asked for: a kcptun process has no use for the presets and
    their ciphers, which are a third of its memory.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    match config:
        case KcptunClient():
            from blinktun.tunnel.kcptun_client import KcptunClientRole

            return KcptunClientRole(config)
        case KcptunServer():
            from blinktun.tunnel.kcptun_server import KcptunServerRole

            return KcptunServerRole(config)
        case BlinksocksClient():
            from blinktun.tunnel.blinksocks_client import BlinksocksClientRole

            return BlinksocksClientRole(config)
        case BlinksocksServer():
            from blinktun.tunnel.blinksocks_server import BlinksocksServerRole

            return BlinksocksServerRole(config)
        case unknown:
            assert_never(unknown)


def listening_key(config: RoleConfig) -> str:
    """The setting that says where a role listens, for messages."""
    match config:
        case KcptunClient():
            return "localaddr"
        case KcptunServer():
            return "listen"
        case BlinksocksClient() | BlinksocksServer():
            return "service"
        case unknown:
            assert_never(unknown)


async def start_all(roles: Sequence[Role], configs: Sequence[RoleConfig] = ()) -> None:
    """Start roles one after the other; if one cannot start, none goes on.

    Args:
        roles: What to start.
        configs: Theirs, in the same order, for messages; empty: unknown.

    Raises:
        TransportError: an address cannot be bound.
    """
    started: list[Role] = []
    try:
        for role, config in zip_longest(roles, configs):
            try:
                await role.start()
            except TransportError as error:
                if config is None:
                    raise
                where = f"{config.source}: {listening_key(config)}"
                raise TransportError(str(error), peer=where) from error
            started.append(role)
    except BaseException:
        await stop_all(started, 0)
        raise


async def stop_all(roles: Sequence[Role], grace: float) -> None:
    """Stop roles side by side; one that fails is logged and does not keep the others."""
    ends = await asyncio.gather(*(role.stop(grace) for role in roles), return_exceptions=True)
    for error in ends:
        if isinstance(error, Exception):
            _log.error("bug: a role could not be stopped", exc_info=error)
