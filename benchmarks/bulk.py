"""Bulk throughput of kcptun and of the picture, both directions, with CPU time and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.interop.harness.picture import move_examples

from benchmarks import meter, setups
from benchmarks.flows import flow_server, transfer
from benchmarks.setups import Setup

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.boxes import Options

    from benchmarks.flows import Server
    from benchmarks.model import Plan, Readings, Side


async def kcptun(options: Options, plan: Plan, side: Side, folder: Path) -> Readings:
    """Through one pair with these options."""
    async with (
        flow_server(folder) as server,
        setups.kcptun(side, folder, server.port, options) as setup,
    ):
        return await both_ways(folder, setup, server, plan)


async def picture(plan: Plan, side: Side, folder: Path) -> Readings:
    """Through the four example files."""
    async with flow_server(folder) as server, setups.picture(side, folder) as setup:
        return await both_ways(folder, setup, server, plan)


async def one_process_a_side(plan: Plan, side: Side, folder: Path) -> Readings:
    """Through the four example files, the two of a side in one process."""
    async with flow_server(folder) as server, setups.one_process_a_side(side, folder) as setup:
        return await both_ways(folder, setup, server, plan)


async def picture_tunnel(plan: Plan, side: Side, folder: Path) -> Readings:
    """Through the example files of kcptun alone."""
    ports = move_examples(folder)
    async with (
        flow_server(folder, ports["blinksocks.server"]) as server,
        setups.picture_tunnel(side, folder, ports) as setup,
    ):
        return await both_ways(folder, setup, server, plan)


async def direct(plan: Plan, _: Side, folder: Path) -> Readings:
    """Without any tunnel: what source, sink and loopback can do."""
    async with flow_server(folder) as server:
        rate = await transfer(folder, Setup((), server.port), server, "R", plan)
        return {"download": rate.speed}


async def both_ways(folder: Path, setup: Setup, server: Server, plan: Plan) -> Readings:
    """Download, then upload, through the same programs."""
    down = await transfer(folder, setup, server, "R", plan)
    up = await transfer(folder, setup, server, "S", plan)
    return {
        "download": down.speed,
        "upload": up.speed,
        "CPU": (down.cpu + up.cpu) / (down.bytes + up.bytes) * 1e9,
        "peak memory": meter.peak(setup.programs) / 1e6,
    }
