"""How much memory sessions may hold for their peers; how the C library gives freed memory back."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blinktun.config.model import RoleConfig

MOST = 1 << 30
"""Sessions have at most so many bytes, if nobody says how much: enough for 11,000 sessions."""
_SHARE = 4
"""Of the process's memory, sessions have at most this part, if nobody says how much."""
_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD`` of glibc's malloc.h."""
_KEEP = 16 << 20
_MAP_ABOVE = 4 << 20


def session_memory(configs: Sequence[RoleConfig]) -> int:
    """The bytes that a process's sessions may hold for their peers: the least that a role says."""
    given = [config.memory for config in configs if config.memory is not None]
    return min(given) if given else min(MOST, _available() // _SHARE)


def _available() -> int:
    """The memory that this process may have: the machine's, or less in a container or a unit."""
    return min([_machine_memory(), *_cgroup_limits()])


def _cgroup_limits() -> Iterator[int]:
    """What the control groups of this process allow (Linux, cgroup v2: ``memory.max``)."""
    try:
        lines = _OWN_GROUP.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, _, path = line.partition("::")
        if number != "0":
            continue  # a hierarchy of cgroup v1
        group = _GROUPS / path.lstrip("/")
        for folder in (group, *group.parents):
            with suppress(OSError, ValueError):  # there is none, or it says "max"
                yield int((folder / "memory.max").read_text())
            if folder == _GROUPS:
                break


def _machine_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return sys.maxsize  # a system that does not say


def keep_freed_memory() -> None:
    """Keep up to 16 MiB of freed memory for the next chunk (glibc; elsewhere nothing happens).

    Chunks of a few hundred kilobytes come and go with every read. By default glibc takes each from
    the system and gives it back, page fault by page fault, which cost a third of a proxy's speed
    and a tenth of a session's.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another C library
    mallopt(_TRIM_THRESHOLD, _KEEP)
    mallopt(_MMAP_THRESHOLD, _MAP_ABOVE)
