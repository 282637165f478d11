"""How much memory sessions may hold for their peers; how the C library gives freed memory back."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import TYPE_CHECKING

from blinktun._core import DEFAULT_MEMORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.config.model import RoleConfig

_SHARE = 4
"""Of the machine's memory, sessions have at most this part, if nobody says how much."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD`` of glibc's malloc.h."""
_KEEP = 16 << 20
_MAP_ABOVE = 4 << 20


def session_memory(configs: Sequence[RoleConfig]) -> int:
    """The bytes that a process's sessions may hold for their peers: the least that a role says."""
    given = [config.memory for config in configs if config.memory is not None]
    return min(given) if given else min(DEFAULT_MEMORY, _machine_memory() // _SHARE)


def _machine_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return sys.maxsize  # a system that does not say


def keep_freed_memory() -> None:
    """Keep up to 16 MiB of freed memory for the next chunk (glibc; elsewhere nothing happens).

    Chunks of a few hundred kilobytes come and go with every read. By default glibc takes each from
    the system and gives it back, page fault by page fault, which cost a third of a proxy's speed.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another C library
    mallopt(_TRIM_THRESHOLD, _KEEP)
    mallopt(_MMAP_THRESHOLD, _MAP_ABOVE)
