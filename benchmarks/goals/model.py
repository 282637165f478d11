"""What a goal is, and what the measurements share."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.interop.harness import traffic
from tests.interop.harness.boxes import Link, Options
from tests.interop.harness.target import Target

from benchmarks.setups import AEAD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

PICTURE: Options = {"mode": "fast3", "crypt": "aes", "smuxver": 2}


@dataclass(frozen=True)
class Result:
    """What was measured, in words, and whether it is what the goal asks for."""

    found: str
    held: bool


@dataclass(frozen=True)
class Goal:
    """One row.

    Attributes:
        number: Its number in the list of goals.
        text: What must hold.
        measure: Finds out, in a folder of its own.
    """

    number: int
    text: str
    measure: Callable[[Path], Awaitable[Result]]


def goal(number: int, text: str) -> Callable[[Callable[[Path], Awaitable[Result]]], Goal]:
    """Make a goal of a function that measures it."""
    return lambda measure: Goal(number, text, measure)


async def answered_within(connect: traffic.Connect, limit: float) -> float:
    """Seconds until a small exchange works, tried again and again; ``limit`` if none did."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while clock() - began < limit:
        with contextlib.suppress(OSError, TimeoutError, AssertionError, EOFError):
            await traffic.echo(connect, 1_000, within=1)
            return clock() - began
        await asyncio.sleep(0.02)
    return limit


@contextlib.asynccontextmanager
async def steady(connect: traffic.Connect) -> AsyncIterator[list[float]]:
    """Exchange a byte every 20 ms on one connection; yields the moments at which one came back.

    A connection that breaks adds no more moments.
    """
    moments: list[float] = []
    clock = asyncio.get_running_loop().time

    async def exchange() -> None:
        reader, writer = await connect()
        try:
            writer.write(b"ECHO 1000000\n")
            while True:
                writer.write(b"x")
                await reader.readexactly(1)
                moments.append(clock())
                await asyncio.sleep(0.02)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.transport.abort()

    task = asyncio.create_task(exchange())
    try:
        async with asyncio.timeout(30):
            while not moments:
                await asyncio.sleep(0.01)
        yield moments
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def longest_gap(moments: list[float], until: float) -> float:
    """The longest time between two of them, up to ``until``."""
    ends = [*moments[1:], until]
    return max(later - earlier for earlier, later in zip(moments, ends, strict=True))


def write_json(path: Path, value: object) -> Path:
    """Write a file of settings."""
    path.write_text(json.dumps(value))
    return path


__all__ = [
    "AEAD", "PICTURE", "Goal", "Link", "Result", "Target", "answered_within", "goal",
    "longest_gap", "steady", "write_json",
]  # fmt: skip
