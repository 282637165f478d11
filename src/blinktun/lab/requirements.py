"""What a machine must have for a lab."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from blinktun.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

TUN = Path("/dev/net/tun")
"""Where programs ask for TUN devices."""
_SYSTEM_FOLDERS = "/usr/sbin:/sbin"
"""Users other than root seldom have them in PATH."""


def require() -> None:
    """Check that this machine can have a lab.

    Raises:
        LabError: something is missing; the error names all of it, and what to do.
    """
    if missing := "; ".join(_missing()):
        raise LabError(missing)


def ip_program() -> str | None:
    """Where ``ip`` of iproute2 is; None: it is not installed."""
    return shutil.which("ip", path=f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_FOLDERS}")


def _missing() -> Iterator[str]:
    if sys.platform != "linux":
        yield "a lab needs Linux, which has network namespaces"
        return
    if os.geteuid() != 0:
        yield "a lab needs root: run it with sudo"
    if ip_program() is None:
        yield "a lab needs the program ip: install iproute2"
    if not TUN.exists():
        container = "--device /dev/net/tun --cap-add NET_ADMIN --cap-add SYS_ADMIN"
        yield f"a lab needs {TUN}: modprobe tun, or start a container with {container}"
