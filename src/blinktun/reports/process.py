"""What a process knows of itself."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import threading
import time
from pathlib import Path

_PROC = Path("/proc/self")


def process_facts(began: float) -> dict[str, object]:
    """Facts by name; those that only Linux tells are missing elsewhere.

    Args:
        began: When the uptime began, on the monotonic clock.
    """
    facts: dict[str, object] = {
        "pid": os.getpid(),
        "python": sys.version.split()[0],
        "uptime_seconds": round(time.monotonic() - began, 3),
        "cpu_seconds": round(time.process_time(), 3),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
    }
    if _PROC.exists():
        pages = int((_PROC / "statm").read_text(encoding="ascii").split()[1])
        facts["rss_bytes"] = pages * resource.getpagesize()
        facts["descriptors"] = len(os.listdir(_PROC / "fd"))  # noqa: PTH208 - names suffice
    return facts
