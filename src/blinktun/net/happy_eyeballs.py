"""Connect to the first address of a name that answers (RFC 8305, simplified)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from blinktun.errors import AccessDenied

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from blinktun.address import Address
    from blinktun.net.resolve import Resolver


class Abortable(Protocol):
    """A connection that can be broken off."""

    def abort(self) -> None:
        """Break it off."""


_S = TypeVar("_S", bound=Abortable)

Permits: TypeAlias = "Callable[[Address, str], bool]"
"""Whether a target may be reached at one of its IP addresses."""

_ATTEMPT_DELAY = 0.25
"""Seconds that one address gets before the next is tried beside it (RFC 8305, section 5)."""


async def first_to_connect(
    address: Address,
    connect: Callable[[str, int], Awaitable[_S]],
    resolver: Resolver,
    permits: Permits | None = None,
) -> _S:
    """Try every address of a host, the families in turn, and return the first stream.

    Raises:
        AccessDenied: ``permits`` leaves no address.
        OSError: no address answers (the first one's error), or the name does not resolve.
        ValueError: the host cannot be a name.
    """
    ips = await resolver.resolve(address.host)
    if permits:
        ips = [ip for ip in ips if permits(address, ip)]
        if not ips:
            raise AccessDenied(f"refused: {address.host} leads to addresses that are not allowed")
    if len(ips) == 1:
        return await connect(ips[0], address.port)
    waiting = list(reversed(ips))
    running: list[asyncio.Task[_S]] = []
    failures: list[BaseException] = []
    try:
        while waiting or running:
            if waiting:
                running.append(asyncio.create_task(_one(connect, waiting.pop(), address.port)))
            done, _ = await asyncio.wait(
                running,
                timeout=_ATTEMPT_DELAY if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                running.remove(task)
                if (failure := task.exception()) is None:
                    return task.result()
                failures.append(failure)
    finally:
        await _give_up(running)
    raise failures[0]


async def _one(connect: Callable[[str, int], Awaitable[_S]], ip: str, port: int) -> _S:
    return await connect(ip, port)


async def _give_up(running: list[asyncio.Task[_S]]) -> None:
    for task in running:
        task.cancel()
    for outcome in await asyncio.gather(*running, return_exceptions=True):
        # Two may answer at the same moment; only one is wanted.
        if not isinstance(outcome, BaseException):
            outcome.abort()
