"""What the number of streams, the number of sessions and the window size cost.

Idle ones are measured beside one bulk transfer: neither its speed nor CPU time may depend on them.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.interop.harness.boxes import Options, kcptun_client, kcptun_server
from tests.interop.harness.peers import ROOT

from benchmarks import meter, setups
from benchmarks.flows import (
    PATIENCE,
    Counter,
    child,
    flow_clients,
    flow_server,
    rate,
    transfer,
    wait_ready,
)
from benchmarks.sessions import WINDOW
from benchmarks.setups import BULK, KCPTUN, Setup

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from benchmarks.flows import Verb
    from benchmarks.model import Plan, Readings, Side

STREAMS: Options = BULK | {"crypt": "none"}
SESSIONS: Options = BULK | {"crypt": "none", "sndwnd": WINDOW, "rcvwnd": WINDOW}


async def idle_streams(count: int, plan: Plan, side: Side, folder: Path) -> Readings:
    """So many streams that do nothing, beside one that is busy."""
    async with (
        flow_server(folder) as server,
        setups.kcptun(side, folder, server.port, STREAMS) as setup,
        flow_clients(folder, setup, server, "H", count),
    ):
        idle = await _idle(setup, plan)
        beside = await transfer(folder, setup, server, "R", plan)
        return idle | {"bulk beside them": beside.speed}


async def active_streams(count: int, plan: Plan, side: Side, folder: Path) -> Readings:
    """So many streams, all of them busy."""
    plan = replace(plan, settle=3 * plan.settle)
    async with (
        flow_server(folder) as server,
        setups.kcptun(side, folder, server.port, STREAMS) as setup,
    ):
        down = await transfer(folder, setup, server, "R", plan, count)
        return {"bulk": down.speed, "memory": meter.peak(setup.programs) / 1e6}


async def window(size: int, plan: Plan, side: Side, folder: Path) -> Readings:
    """One stream, with windows of so many segments."""
    options = STREAMS | {"sndwnd": size, "rcvwnd": size}
    async with (
        flow_server(folder) as server,
        setups.kcptun(side, folder, server.port, options) as setup,
    ):
        down = await transfer(folder, setup, server, "R", plan)
        return {"bulk": down.speed, "memory": meter.peak(setup.programs) / 1e6}


async def idle_sessions(count: int, plan: Plan, side: Side, folder: Path) -> Readings:
    """One server, so many clients that do nothing, beside one that is busy."""
    async with flow_server(folder) as server:
        far = kcptun_server(KCPTUN[side], folder, target=server.port, options=SESSIONS)
        near = kcptun_client(KCPTUN[side], folder, server=far.port, options=SESSIONS)
        async with far, near, _clients(folder, far.port, "H", count):
            idle = await _idle(Setup((far,), far.port), plan)
            beside = await transfer(folder, Setup((far,), near.port), server, "R", plan)
            return idle | {"bulk beside them": beside.speed}


async def active_sessions(count: int, plan: Plan, side: Side, folder: Path) -> Readings:
    """One server, so many clients, all of them busy."""
    # Their beginnings take longer than that of one.
    plan = replace(plan, settle=3 * plan.settle)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(flow_server(folder))
        far = kcptun_server(KCPTUN[side], folder, target=server.port, options=SESSIONS)
        await stack.enter_async_context(far)
        counter = await stack.enter_async_context(_clients(folder, far.port, "R", count))
        down = await rate(counter, Setup((far,), far.port), plan)
        return {"bulk": down.speed, "memory": meter.peak([far]) / 1e6}


@asynccontextmanager
async def _clients(folder: Path, port: int, verb: Verb, count: int) -> AsyncIterator[Counter]:
    """So many of our clients in one process, each with a stream at work."""
    counter = Counter(folder)
    argv: list[str | Path] = [sys.executable, "-m", "benchmarks.sessions"]
    argv += ["--counter", counter.path, "--server", str(port)]
    argv += ["--verb", verb, "--count", str(count)]
    async with child(argv, cwd=ROOT) as process:
        await wait_ready(process, counter, count, 2 * PATIENCE)
        yield counter


async def _idle(setup: Setup, plan: Plan) -> Readings:
    await asyncio.sleep(plan.settle)
    busy = meter.cpu_seconds(setup.programs)
    await asyncio.sleep(plan.window)
    busy = meter.cpu_seconds(setup.programs) - busy
    return {
        "memory": meter.resident(setup.programs) / 1e6,
        "CPU while idle": busy / plan.window * 1e3,
    }
