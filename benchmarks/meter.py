"""What a program uses, with the processes it has started, read from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.interop.harness.processes import Program

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Bytes: resident, its fair share where pages are shared, and the most there ever was."""

    rss: int
    pss: int
    peak: int


def cpu_seconds(programs: Iterable[Program]) -> float:
    """User and system time of these programs so far."""
    return sum(_cpu_seconds(pid) for program in programs for pid in _family(program.pid))


def memory(program: Program) -> Memory:
    """Memory of one program."""
    rss = pss = peak = 0
    for pid in _family(program.pid):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        rss += _kib(rollup, "Rss:")
        pss += _kib(rollup, "Pss:")
        peak += _kib(Path(f"/proc/{pid}/status").read_text(), "VmHWM:")
    return Memory(rss, pss, peak)


def resident(programs: Iterable[Program]) -> int:
    """Resident bytes of these programs together."""
    return sum(memory(program).rss for program in programs)


def peak(programs: Iterable[Program]) -> int:
    """The sum of the most that each of these programs ever had, in bytes."""
    return sum(memory(program).peak for program in programs)


def descriptors(programs: Iterable[Program]) -> int:
    """Open descriptors of these programs together."""
    return sum(
        len(list(Path(f"/proc/{pid}/fd").iterdir()))
        for program in programs
        for pid in _family(program.pid)
    )


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from _family(int(child))


def _cpu_seconds(pid: int) -> float:
    # The name, in parentheses, may hold anything; utime and stime are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _kib(text: str, key: str) -> int:
    line = next(line for line in text.splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024
