"""What connections cost, and whether one that stands still stops the others."""

from __future__ import annotations

import asyncio
import statistics
from typing import TYPE_CHECKING

from tests.interop.harness.boxes import (
    Link,
    Options,
    bs_client,
    bs_server,
    kcptun_client,
    kcptun_server,
)
from tests.interop.harness.target import Target
from tests.interop.harness.traffic import direct, socks5
from tests.interop.harness.watch import processor_seconds, resident

from benchmarks.goals.model import AEAD, PICTURE, Result, goal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.processes import Program
    from tests.interop.harness.traffic import Connect

STUCK = 1_000


@goal(30, "1,000 readers that stand still: an echo takes at most twice its time, 64 MB at each end")
async def slow_readers(folder: Path) -> Result:
    """Downloads that are never read, over kcptun with smux 1 and 2 as told, and over TCP."""
    found, held = [], True
    async with Target() as target:
        versions: tuple[tuple[str, Options], ...] = (
            ("kcptun", PICTURE),
            ("kcptun, smuxver 1", PICTURE | {"smuxver": 1}),
        )
        for name, options in versions:
            far = kcptun_server("ours", folder, target=target.port, options=options)
            near = kcptun_client("ours", folder, server=far.port, options=options)
            async with far, near:
                text, fine = await _stuck(direct(near.port), (near, far))
            found.append(f"{name}: {text}")
            held &= fine
        link = Link(AEAD)
        server, client = bs_server("ours", folder, link), bs_client("ours", folder, link)
        async with server, client:
            text, fine = await _stuck(socks5(client.port, target.port), (client, server))
        found.append(f"tcp: {text}")
        held &= fine
    return Result("; ".join(found), held)


async def _stuck(connect: Connect, programs: tuple[Program, Program]) -> tuple[str, bool]:
    idle = await _echo_time(connect)
    before = [resident(program.pid) for program in programs]
    readers = []
    for _ in range(STUCK):
        reader, writer = await connect()
        writer.write(b"DOWN 100000000 0\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        readers.append((reader, writer))
    await _until_full(programs)
    try:
        async with asyncio.timeout(20):
            busy = await _echo_time(connect)
        text = f"echo {busy * 1e3:.1f} ms, {idle * 1e3:.1f} before"
    except (TimeoutError, OSError, asyncio.IncompleteReadError):
        busy, text = 1e9, "no echo within 20 s"
    growth = [
        resident(program.pid) - start for program, start in zip(programs, before, strict=True)
    ]
    for _, writer in readers:
        writer.transport.abort()
    grown = " and ".join(f"{each / 1e6:.0f}" for each in growth)
    return f"{text}, {grown} MB", busy <= 2 * idle + 0.002 and max(growth) <= 64e6


async def _until_full(programs: tuple[Program, Program]) -> None:
    """Wait until all buffers on the way are full: nothing is busy then; 90 s at most."""
    for _ in range(90):
        before = sum(processor_seconds(program.pid) for program in programs)
        await asyncio.sleep(1)
        if sum(processor_seconds(program.pid) for program in programs) - before < 0.05:
            return


async def _echo_time(connect: Connect) -> float:
    """The median of 50 exchanges of a byte on a new connection."""
    reader, writer = await connect()
    clock = asyncio.get_running_loop().time
    times = []
    try:
        writer.write(b"ECHO 50\n")
        for _ in range(50):
            began = clock()
            writer.write(b"x")
            await reader.readexactly(1)
            times.append(clock() - began)
    finally:
        writer.transport.abort()
    return statistics.median(times)


ROWS = (slow_readers,)
