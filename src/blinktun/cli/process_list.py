"""Secrets of the command line and the environment, taken out of what ``ps`` shows.

The kernel reads both from the process's own memory each time somebody asks (Linux), so they can
be written over. Until that has happened, in the first tenths of a second, they can be seen.
"""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_STAT = Path("/proc/self/stat")
_ARGUMENTS, _ENVIRONMENT = slice(45, 47), slice(47, 49)
"""Where both addresses of each stand behind the name in ``/proc/self/stat``."""


def hide_arguments(values: Iterable[str]) -> None:
    """Write over each argument that is one of these values, or ends with ``=`` and one of them."""
    for value in filter(None, values):
        _write_over(rb"(?:\0|=)(" + re.escape(os.fsencode(value)) + rb")(?=\0)", places=_ARGUMENTS)


def hide_variables(names: Iterable[str]) -> None:
    """Write over the values of these variables; ``os.environ`` keeps its own copies."""
    for name in names:
        pattern = rb"(?:\0|\A)" + re.escape(os.fsencode(name)) + rb"=([^\0]*)"
        _write_over(pattern, places=_ENVIRONMENT)


def _write_over(pattern: bytes, *, places: slice) -> None:
    """Write over the first group of each match."""
    start, end = _region(places)
    text = ctypes.string_at(start, end - start) if start else b""
    for found in re.finditer(pattern, text):
        ctypes.memset(start + found.start(1), ord("x"), len(found[1]))


def _region(places: slice) -> tuple[int, int]:
    """The addresses between which the kernel finds it; zeros if it does not say."""
    try:
        fields = _STAT.read_text().rpartition(")")[2].split()
        start, end = map(int, fields[places])
    except (OSError, ValueError):
        return 0, 0
    return start, end
