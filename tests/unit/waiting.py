"""Waiting for facts: a busy machine makes that longer, and changes no outcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 10.0
"""Seconds after which a test that waits for something has failed."""


async def until(fact: Callable[[], object], within: float = PATIENCE) -> None:
    """Wait until ``fact()`` holds; TimeoutError if it does not ``within`` seconds."""
    async with asyncio.timeout(within):
        while not fact():
            await asyncio.sleep(0.001)
