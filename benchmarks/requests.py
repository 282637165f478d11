"""Small requests over kcptun: kept-alive connections, and a connection for each."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from benchmarks import meter, setups
from benchmarks.setups import SMALL
from benchmarks.web import get, nginx, wrk

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.boxes import Presets

    from benchmarks.model import Plan, Readings, Side
    from benchmarks.setups import Setup

_AT_ONCE = 50
_SETTLE = 10.0
"""Seconds that ended connections have until they must be forgotten."""


async def requests(
    connections: int, plan: Plan, side: Side, folder: Path, *, keep_alive: bool
) -> Readings:
    """Requests a second and their latency."""
    async with nginx(folder) as web, setups.kcptun(side, folder, web.port, SMALL) as setup:
        # The first request pays for the session.
        await get(setup.port)
        load = await wrk(setup.port, connections, 2 * plan.window, keep_alive=keep_alive)
        return {"requests": load.rate, "median": load.median_ms, "99 %": load.p99_ms}


async def proxied(
    presets: Presets, connections: int, plan: Plan, side: Side, folder: Path
) -> Readings:
    """Connections of one request through a blinksocks client and server, and what each costs."""
    async with (
        nginx(folder) as web,
        setups.blinksocks(side, folder, presets, forward=web.port) as setup,
    ):
        await get(setup.port)
        before = meter.cpu_seconds(setup.programs)
        load = await wrk(setup.port, connections, 2 * plan.window, keep_alive=False)
        used = meter.cpu_seconds(setup.programs) - before
        return {
            "requests": load.rate,
            "median": load.median_ms,
            "99 %": load.p99_ms,
            "CPU": used * 1e3 / load.requests,
        }


async def direct(
    connections: int, plan: Plan, _: Side, folder: Path, *, keep_alive: bool
) -> Readings:
    """Without any tunnel: what wrk and nginx can do."""
    async with nginx(folder) as web:
        load = await wrk(web.port, connections, 2 * plan.window, keep_alive=keep_alive)
        return {"requests": load.rate, "median": load.median_ms, "99 %": load.p99_ms}


async def short_connections(plan: Plan, side: Side, folder: Path) -> Readings:
    """Thousands of connections of one request, and what they leave behind."""
    async with nginx(folder) as web, setups.kcptun(side, folder, web.port, SMALL) as setup:
        # The floor is that of a tunnel that has worked: buffers grow once.
        await _connect_many(setup, plan.connections // 10)
        await _forgotten(setup, 0)
        descriptors, resident = _use(setup)
        done, seconds = await _connect_many(setup, plan.connections)
        await _forgotten(setup, descriptors)
        descriptors_after, resident_after = _use(setup)
    return {
        "connections": done / seconds,
        "descriptors left": float(max(0, descriptors_after - descriptors)),
        "memory left": max(0.0, (resident_after - resident) / resident * 100),
    }


async def _connect_many(setup: Setup, count: int) -> tuple[int, float]:
    """Make at least `count` connections; returns how many, and in how many seconds."""
    done, start = 0, time.monotonic()
    while done < count:
        done += (await wrk(setup.port, _AT_ONCE, 1, keep_alive=False)).requests
    return done, time.monotonic() - start


async def _forgotten(setup: Setup, floor: int) -> None:
    """Wait until descriptors are at the floor, or as low as they get."""
    deadline = time.monotonic() + _SETTLE
    last = -1
    while time.monotonic() < deadline:
        now = meter.descriptors(setup.programs)
        if now <= floor or (not floor and now == last):
            break
        last = now
        await asyncio.sleep(0.25)


def _use(setup: Setup) -> tuple[int, int]:
    return meter.descriptors(setup.programs), meter.resident(setup.programs)
