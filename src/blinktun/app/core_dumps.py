"""Keys stay out of core dumps."""

from __future__ import annotations

import contextlib
import resource

_LEAST = 1
"""Bytes. 0 would not do: Linux does not apply that to dumps that it pipes to a program."""


def forbid_core_dumps() -> None:
    """Let this process and its children leave no core dump, which would hold the keys.

    The hard limit stays, so ``prlimit --pid PID --core=unlimited`` allows one dump again.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    least = _LEAST if hard == resource.RLIM_INFINITY else min(_LEAST, hard)
    with contextlib.suppress(OSError, ValueError):  # a system that does not let us
        resource.setrlimit(resource.RLIMIT_CORE, (least, hard))
