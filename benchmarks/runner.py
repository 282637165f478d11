"""Takes samples, the sides in turn, so that all of them see the same machine."""

from __future__ import annotations

import asyncio
import re
import resource
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interop.harness import peers, processes
from tests.interop.harness.peers import ROOT

from benchmarks.model import MeasureError, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.model import Case, Plan, Readings, Side

LIMIT = 120.0
"""Seconds that one sample may take."""

_SHOWN = 2_000
"""Characters of each program's log that a failed sample shows."""


async def measure(cases: Iterable[Case], plan: Plan, *, before: Path | None = None) -> list[Record]:
    """Measure all cases and say what comes out; `before` is the folder of that side's commands."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    # Ten thousand streams are as many sockets in each program; they inherit the limit.
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return [await _measure(case, plan, before) for case in cases]


async def _measure(case: Case, plan: Plan, before: Path | None) -> Record:
    record = Record(case.kind, case.name, case.about, list(case.figures), case.point)
    for number in range(min(plan.rounds, case.rounds)):
        for side in _turn(case.sides, number):
            if side in record.failures:
                continue
            build = peers.build(before) if before and side == "before" else nullcontext()
            try:
                with build:
                    readings = await _sample(case, side, record)
            except (MeasureError, AssertionError, OSError) as error:
                record.failures[side] = _brief(str(error) or type(error).__name__)
                print(f"{case.name}  {side}: failed: {record.failures[side]}", flush=True)
                continue
            record.samples.setdefault(side, []).append(readings)
            print(f"{case.name}  {side}: {_shown(case, readings)}", flush=True)
    return record


def _turn(sides: tuple[Side, ...], number: int) -> Iterator[Side]:
    """Whoever goes first finds another cache and clock: they take turns in that too."""
    first = number % len(sides)
    yield from sides[first:]
    yield from sides[:first]


async def _sample(case: Case, side: Side, record: Record) -> Readings:
    # Fresh programs each time: what the last transfer left in their queues would count.
    processes.started.clear()
    with tempfile.TemporaryDirectory(prefix="blinktun-bench-") as folder:
        try:
            async with asyncio.timeout(LIMIT):
                return await case.measure(side, Path(folder))
        except (MeasureError, AssertionError, OSError):
            for program in processes.started:
                print(f"--- {program.name}\n{program.log[-_SHOWN:]}", file=sys.stderr)
            raise
        finally:
            programs = [program for program in processes.started if program.name != "flow-server"]
            record.commands[side] = [_command(str(program), folder) for program in programs]


def _shown(case: Case, readings: Readings) -> str:
    return ", ".join(
        f"{figure.name} {readings[figure.name]:,.4g} {figure.unit}".rstrip()
        for figure in case.figures
    )


def _command(text: str, folder: str) -> str:
    """A command line without what differs from machine to machine."""
    argv = text.partition(" (")[2].removesuffix(")")
    for place, name in ((folder, "$TMP"), (str(ROOT), "."), (sys.prefix, ".venv")):
        argv = argv.replace(place, name)
    return re.sub(r"^/\S*/", "", argv)


def _brief(text: str) -> str:
    """The line that says most, without the places of this machine."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines[1:] if re.search(r"error|fail", line, re.IGNORECASE)]
    # Neither paths nor a date in front.
    return re.sub(r"/\S+/|^[\d: -]+(?=\D)", "", [*lines, *errors][-1])[:160]
