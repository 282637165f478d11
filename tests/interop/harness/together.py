"""Many checks of one kind in one test, a few at a time, each failure with its name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

Case = TypeVar("Case")

# Each check runs two programs beside this process; more of them at once only wait.
_AT_ONCE = 3


async def all_of(check: Callable[[Case], Awaitable[None]], cases: Iterable[Case]) -> None:
    """Run `check` over every case; the first failure ends the rest.

    Raises:
        ExceptionGroup: what failed, with a note that names the case.
    """
    room = asyncio.Semaphore(_AT_ONCE)

    async def run(case: Case) -> None:
        async with room:
            try:
                await check(case)
            except Exception as error:
                error.add_note(f"case: {case}")
                raise

    async with asyncio.TaskGroup() as group:
        for case in cases:
            group.create_task(run(case))
