"""Runs `flow`: a server behind the tunnel, clients in front, and rates read from counters."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tests.interop.harness.ports import free_port
from tests.interop.harness.processes import Program

from benchmarks import flow, meter
from benchmarks.model import MeasureError

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from benchmarks.model import Plan
    from benchmarks.setups import Setup

Verb = Literal["R", "S", "H"]
"""What a client does: receive, send or hold."""

PATIENCE = 20.0
"""Seconds until connections must be at work."""

_numbers = itertools.count()


class Counter:
    """The numbers that a program shows in a file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"counter-{next(_numbers)}"
        self.path.write_bytes(bytes(flow.COUNTER.size))

    def read(self) -> tuple[int, int]:
        """Bytes received and connections at work, so far."""
        received, ready = flow.COUNTER.unpack(self.path.read_bytes())
        return received, ready


@dataclass(frozen=True)
class Server:
    """A running flow server."""

    port: int
    counter: Counter


@dataclass(frozen=True)
class Rate:
    """What happened in a window: MB (10^6 bytes) a second, and CPU seconds of the tunnel a GB."""

    speed: float
    cpu: float
    bytes: int

    @property
    def cpu_per_gb(self) -> float:
        """CPU seconds for 10^9 bytes."""
        return self.cpu / self.bytes * 1e9


@asynccontextmanager
async def flow_server(folder: Path, port: int | None = None) -> AsyncIterator[Server]:
    """Source and sink behind the tunnel."""
    port, counter = port or free_port(), Counter(folder)
    argv: list[str | Path] = [sys.executable, flow.__file__, "--listen", str(port)]
    argv += ["--counter", counter.path]
    async with Program("flow-server", argv, folder, listens=("tcp", port)):
        yield Server(port, counter)


@asynccontextmanager
async def flow_clients(
    folder: Path, setup: Setup, server: Server, verb: Verb, count: int = 1
) -> AsyncIterator[Counter]:
    """Connections through the tunnel, all of them at work."""
    counter = Counter(folder)
    argv: list[str | Path] = [sys.executable, flow.__file__, "--counter", counter.path]
    argv += ["--connect", str(setup.port), "--verb", verb, "--count", str(count)]
    if setup.socks:
        argv += ["--socks", str(server.port)]
    async with child(argv) as process:
        await wait_ready(process, counter, count)
        yield counter


@asynccontextmanager
async def child(argv: Sequence[str | Path], cwd: Path | None = None) -> AsyncIterator[Process]:
    """A program that ends with this one; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "--"), *(str(word) for word in argv), cwd=cwd
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def wait_ready(
    process: Process, counter: Counter, count: int, within: float = PATIENCE
) -> None:
    """Wait until so many connections are at work.

    Raises:
        MeasureError: they are not in time, or the process ended.
    """
    deadline = time.monotonic() + within
    while (ready := counter.read()[1]) < count:
        if process.returncode is not None or time.monotonic() > deadline:
            raise MeasureError(f"{ready} of {count} connections at work within {within:g} s")
        await asyncio.sleep(0.005)


async def transfer(
    folder: Path, setup: Setup, server: Server, verb: Verb, plan: Plan, count: int = 1
) -> Rate:
    """Move bulk data through the tunnel on `count` connections and measure it on its way."""
    async with flow_clients(folder, setup, server, verb, count) as counter:
        return await rate(server.counter if verb == "S" else counter, setup, plan)


async def rate(counter: Counter, setup: Setup, plan: Plan) -> Rate:
    """Measure what flows now.

    Raises:
        MeasureError: nothing arrives.
    """
    deadline = time.monotonic() + PATIENCE
    while not counter.read()[0] and time.monotonic() < deadline:
        await asyncio.sleep(0.005)
    await asyncio.sleep(plan.settle)
    start, before, busy = time.monotonic(), counter.read()[0], meter.cpu_seconds(setup.programs)
    await asyncio.sleep(plan.window)
    moved = counter.read()[0] - before
    cpu, seconds = meter.cpu_seconds(setup.programs) - busy, time.monotonic() - start
    if not moved:
        raise MeasureError("nothing arrives")
    return Rate(moved / seconds / 1e6, cpu, moved)
