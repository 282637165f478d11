"""How the C library gives freed memory back."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD`` of glibc's malloc.h."""
_KEEP = 16 << 20
_MAP_ABOVE = 4 << 20


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
