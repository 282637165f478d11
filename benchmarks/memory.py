"""Memory of a role that has worked once, and of connections that do nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from benchmarks import meter, setups
from benchmarks.flows import flow_clients, flow_server
from benchmarks.setups import SMALL

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.interop.harness.boxes import Presets

    from benchmarks.flows import Server
    from benchmarks.model import Plan, Readings, Side
    from benchmarks.setups import Setup


async def kcptun(plan: Plan, side: Side, folder: Path) -> Readings:
    """A kcptun client and server."""
    async with flow_server(folder) as server:
        return await _measure(setups.kcptun(side, folder, server.port, SMALL), folder, server, plan)


async def blinksocks(presets: Presets, plan: Plan, side: Side, folder: Path) -> Readings:
    """A blinksocks client and server."""
    async with flow_server(folder) as server:
        return await _measure(setups.blinksocks(side, folder, presets), folder, server, plan)


async def _measure(
    starting: AbstractAsyncContextManager[Setup], folder: Path, server: Server, plan: Plan
) -> Readings:
    async with starting as setup:
        near, far = setup.programs
        async with flow_clients(folder, setup, server, "H"):
            pass
        await asyncio.sleep(plan.settle)
        idle = [meter.memory(program) for program in (near, far)]
        count = plan.connections // 20
        async with flow_clients(folder, setup, server, "H", count):
            await asyncio.sleep(plan.settle)
            held = [meter.memory(program).rss for program in (near, far)]
            busy = meter.cpu_seconds(setup.programs)
            await asyncio.sleep(2 * plan.window)
            busy = meter.cpu_seconds(setup.programs) - busy
    each = [(now - before.rss) / count / 1e3 for now, before in zip(held, idle, strict=True)]
    return {
        "client RSS": idle[0].rss / 1e6,
        "client PSS": idle[0].pss / 1e6,
        "server RSS": idle[1].rss / 1e6,
        "server PSS": idle[1].pss / 1e6,
        "client, a connection": each[0],
        "server, a connection": each[1],
        "CPU while idle": busy / (2 * plan.window) * 1e3,
    }
