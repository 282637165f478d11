"""Work for a stream, which ends when the stream breaks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from blinktun.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from blinktun.transports.base import Stream

_T = TypeVar("_T")


async def unless_broken(stream: Stream, work: Awaitable[_T]) -> _T:
    """Do something for a stream, such as a dial, and give it up when the stream breaks.

    Raises:
        TransportError: the stream broke first.
    """
    scope = asyncio.timeout(None)

    def give_up() -> None:
        stream.watch(None)  # it may break twice, and a scope that expires cannot be changed
        scope.reschedule(0)

    try:
        async with scope:
            stream.watch(give_up)
            return await work
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise TransportError("gone before its target answered", peer=stream.peer) from error
    finally:
        stream.watch(None)
