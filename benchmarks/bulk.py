"""Bulk throughput: iperf3 through the tunnel, ours and the original in turn."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.interop.harness.peers import system

from benchmarks.cases import tunnel_to_iperf

if TYPE_CHECKING:
    from tests.interop.harness.boxes import Kcptun

    from benchmarks.cases import Case

Direction = Literal["download", "upload"]
DIRECTIONS: tuple[Direction, ...] = ("download", "upload")
SIDES: tuple[Kcptun, ...] = ("ours", "theirs")


@dataclass(frozen=True)
class Result:
    """One case and direction: megabytes (10^6 bytes) per second of every round."""

    case: Case
    direction: Direction
    ours: list[float]
    theirs: list[float]

    @property
    def medians(self) -> tuple[float, float]:
        """Ours, then theirs."""
        return statistics.median(self.ours), statistics.median(self.theirs)

    @property
    def ratio(self) -> float:
        """How many times as fast as the original we are."""
        ours, theirs = self.medians
        return ours / theirs


async def measure(case: Case, rounds: int, seconds: int) -> list[Result]:
    """Measure one case, the two sides alternating so that both see the same machine."""
    speeds: dict[tuple[Kcptun, Direction], list[float]] = defaultdict(list)
    for number in range(rounds):
        # Whoever goes first finds another cache and clock: take turns in that too.
        for impl in SIDES if number % 2 == 0 else reversed(SIDES):
            for direction in DIRECTIONS:
                speed = await _speed(case, impl, direction, seconds)
                print(f"  {case.name} {impl} {direction}: {speed:.1f} MB/s", flush=True)
                speeds[impl, direction].append(speed)
    return [
        Result(case, direction, speeds["ours", direction], speeds["theirs", direction])
        for direction in DIRECTIONS
    ]


async def _speed(case: Case, impl: Kcptun, direction: Direction, seconds: int) -> float:
    # A fresh tunnel each time: what the last transfer left in its queues would count.
    with tempfile.TemporaryDirectory() as folder:
        async with tunnel_to_iperf(case, impl, Path(folder)) as near:
            return await _iperf(near.port, direction, seconds)


async def _iperf(port: int, direction: Direction, seconds: int) -> float:
    argv = ["--client", "127.0.0.1", "--port", str(port), "--time", str(seconds), "--json"]
    if direction == "download":
        argv.append("--reverse")
    process = await asyncio.create_subprocess_exec(
        system("iperf3"), *argv, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(seconds + 30):
        output, _ = await process.communicate()
    answer = json.loads(output)
    if "error" in answer:
        raise RuntimeError(f"iperf3: {answer['error']}")
    # What arrived, not what was written into buffers.
    return float(answer["end"]["sum_received"]["bits_per_second"]) / 8e6
