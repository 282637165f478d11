"""The composition root: configurations to running roles, signals, orderly shutdown."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import TYPE_CHECKING, Protocol, assert_never

from blinktun.config.model import BlinksocksClient, BlinksocksServer, KcptunClient, KcptunServer
from blinktun.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from typing import Any

    from blinktun.address import Address
    from blinktun.config.model import RoleConfig

_log = logging.getLogger("blinktun")

GRACE = 10.0
"""Seconds that connections get to end after SIGTERM; a second signal ends them at once."""
START_FAILED = 1
"""Exit status when an address cannot be bound."""


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


def run(configs: Sequence[RoleConfig]) -> int:
    """Run roles in one process until SIGTERM or SIGINT; returns the exit status.

    Raises:
        ConfigError: a configuration cannot be used. Nothing listens then.
    """
    roles = [make_role(config) for config in configs]
    for config in configs:
        for warning in config.warnings:
            _log.warning("%s: %s", config.source, warning)
    return run_in_loop(_serve(roles))


def run_in_loop(main: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine in the fastest event loop there is."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


async def _serve(roles: Sequence[Role]) -> int:
    stop = watch_signals()
    try:
        await start_all(roles)
    except TransportError as error:
        _log.error("%s", error)
        return START_FAILED
    await stop.wait()
    _log.info("stopping: connections have %.0f s to end", GRACE)
    stop.clear()
    stopping = asyncio.create_task(stop_all(roles, GRACE))
    hurry = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, hurry}, return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not stopping.done():
        _log.warning("second signal: breaking connections off")
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        await stop_all(roles, 0)
    return 0


def watch_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def start_all(roles: Sequence[Role]) -> None:
    """Start roles one after the other; if one cannot start, none goes on.

    Raises:
        TransportError: an address cannot be bound.
    """
    started: list[Role] = []
    try:
        for role in roles:
            await role.start()
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
