"""What a process uses, read from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.interop.harness.processes import Program

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Bytes: resident, its fair share where pages are shared, and the most there ever was."""

    rss: int
    pss: int
    peak: int


def cpu_seconds(programs: Iterable[Program]) -> float:
    """User and system time of these processes so far."""
    return sum(_cpu_seconds(program.pid) for program in programs)


def memory(program: Program) -> Memory:
    """Memory of one process."""
    folder = Path(f"/proc/{program.pid}")
    rollup = (folder / "smaps_rollup").read_text()
    status = (folder / "status").read_text()
    return Memory(_kib(rollup, "Rss:"), _kib(rollup, "Pss:"), _kib(status, "VmHWM:"))


def resident(programs: Iterable[Program]) -> int:
    """Resident bytes of these processes together."""
    return sum(memory(program).rss for program in programs)


def peak(programs: Iterable[Program]) -> int:
    """The sum of the most that each of these processes ever had, in bytes."""
    return sum(memory(program).peak for program in programs)


def descriptors(programs: Iterable[Program]) -> int:
    """Open descriptors of these processes together."""
    return sum(len(list(Path(f"/proc/{program.pid}/fd").iterdir())) for program in programs)


def _cpu_seconds(pid: int) -> float:
    # The name, in parentheses, may hold anything; utime and stime are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _kib(text: str, key: str) -> int:
    line = next(line for line in text.splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024
