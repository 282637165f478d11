"""From the start of a program until it listens."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from tests.interop.harness.boxes import Link, bs_client, bs_server, kcptun_client, kcptun_server
from tests.interop.harness.ports import free_port

from benchmarks.setups import BLINKSOCKS, KCPTUN, SMALL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.interop.harness.boxes import Presets
    from tests.interop.harness.processes import Program

    from benchmarks.model import Readings, Side


async def measure(make: Callable[[Side, Path], Program], side: Side, folder: Path) -> Readings:
    """Milliseconds until its port is open."""
    program = make(side, folder)
    begun = time.monotonic()
    starting = asyncio.create_task(program.start())
    try:
        # Finer than the harness looks.
        while not starting.done() and not program.is_listening:
            await asyncio.sleep(0.001)
        took = time.monotonic() - begun
        await starting
    finally:
        program.kill()
    return {"time": took * 1e3}


def near_kcptun(side: Side, folder: Path) -> Program:
    """A kcptun client; it does not miss its server."""
    return kcptun_client(KCPTUN[side], folder, server=free_port(), options=SMALL)


def far_kcptun(side: Side, folder: Path) -> Program:
    """A kcptun server."""
    return kcptun_server(KCPTUN[side], folder, target=free_port(), options=SMALL)


def near_blinksocks(presets: Presets, side: Side, folder: Path) -> Program:
    """A blinksocks client."""
    return bs_client(BLINKSOCKS[side], folder, Link(presets))


def far_blinksocks(presets: Presets, side: Side, folder: Path) -> Program:
    """A blinksocks server."""
    return bs_server(BLINKSOCKS[side], folder, Link(presets))
