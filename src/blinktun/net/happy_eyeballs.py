"""Connect to the first address of a name that answers (RFC 8305, simplified)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence


class Closable(Protocol):
    """A connection that can be closed."""

    def close(self) -> None:
        """Close it."""


_C = TypeVar("_C", bound=Closable)

_ATTEMPT_DELAY = 0.25
"""Seconds that one address gets before the next is tried beside it (RFC 8305, section 5)."""


async def first_to_connect(ips: Sequence[str], connect: Callable[[str], Awaitable[_C]]) -> _C:
    """Try IP addresses in their order and return the first connection.

    Raises:
        OSError: no address answers (the first one's error).
    """
    if len(ips) == 1:
        return await connect(ips[0])
    waiting = list(reversed(ips))
    running: list[asyncio.Task[_C]] = []
    failures: list[BaseException] = []
    try:
        while waiting or running:
            if waiting:
                running.append(asyncio.create_task(_one(connect, waiting.pop())))
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


async def _one(connect: Callable[[str], Awaitable[_C]], ip: str) -> _C:
    return await connect(ip)


async def _give_up(running: list[asyncio.Task[_C]]) -> None:
    for task in running:
        task.cancel()
    for outcome in await asyncio.gather(*running, return_exceptions=True):
        # Two may answer at the same moment; only one is wanted.
        if not isinstance(outcome, BaseException):
            outcome.close()
