"""Bulk throughput of blinksocks with each chain of presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import setups
from benchmarks.bulk import both_ways
from benchmarks.flows import flow_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.boxes import Presets

    from benchmarks.model import Plan, Readings, Side


async def bulk(presets: Presets, transport: str, plan: Plan, side: Side, folder: Path) -> Readings:
    """Through a client and a server with this chain of presets over this transport."""
    async with (
        flow_server(folder) as server,
        setups.blinksocks(side, folder, presets, transport) as setup,
    ):
        return await both_ways(folder, setup, server, plan)
