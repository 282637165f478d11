"""What a running program uses: memory and processor time, from the kernel's tables."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_EVERY = 0.02


@dataclass
class Usage:
    """What a program used while it was watched.

    Attributes:
        before: Resident bytes at the beginning.
        peak: The most resident bytes.
        cpu: Seconds of processor time.
    """

    before: int
    peak: int
    cpu: float = 0.0

    @property
    def growth(self) -> int:
        """By how many bytes it grew at most."""
        return self.peak - self.before


def resident(pid: int) -> int:
    """The resident bytes of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def processor_seconds(pid: int) -> float:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def watched(pid: int) -> AsyncIterator[Usage]:
    """Watch a process; the result is complete at the end."""
    now = resident(pid)
    usage, began = Usage(now, now), processor_seconds(pid)

    async def look() -> None:
        while True:
            usage.peak = max(usage.peak, resident(pid))
            await asyncio.sleep(_EVERY)

    looking = asyncio.create_task(look())
    try:
        yield usage
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        usage.cpu = processor_seconds(pid) - began
