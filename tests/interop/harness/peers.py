"""Where the programs are. A missing one is an error and never a skipped test."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
SHIMS = ROOT / "tests" / "interop" / "shims"

CONTROL = os.environ.get("INTEROP_CONTROL") == "1"
"""Put the originals in the place of our programs: what fails then is the harness's fault."""


class MissingPeerError(Exception):
    """A program that the tests need is not installed."""

    def __init__(self, name: str, remedy: str) -> None:
        super().__init__(f"{name} is not installed; run `{remedy}`")


_build: ContextVar[Path] = ContextVar("build", default=Path(sys.prefix) / "bin")
"""Where our commands are: in the environment that runs the tests."""


@contextmanager
def build(folder: Path) -> Iterator[None]:
    """Inside the block, take our commands from another build."""
    token = _build.set(folder)
    try:
        yield
    finally:
        _build.reset(token)


def ours(command: str) -> Path:
    """One of our commands."""
    path = _build.get() / command
    if not path.exists():
        raise MissingPeerError(str(path), "make setup")
    return path


def system(command: str) -> Path:
    """A program of the system; never from a virtual environment, where our own stand."""
    found = shutil.which(
        command, path="/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
    )
    if found is None:
        raise MissingPeerError(command, "make peers")
    return Path(found)


def modern_kcptun() -> Path:
    """A kcptun of 2026, in both roles by its first argument."""
    path = ROOT / ".peers" / "modern"
    if not path.exists():
        raise MissingPeerError("the kcptun of 2026", "make peers")
    return path


def node_blinksocks(version: str) -> list[str | Path]:
    """The command line that runs the original blinksocks of that version."""
    script = ROOT / ".peers" / f"blinksocks-{version}" / "node_modules/blinksocks/bin/start.js"
    if not script.exists():
        raise MissingPeerError(f"blinksocks {version}", "make peers")
    node = shutil.which("node")
    if node is None:
        raise MissingPeerError("node", "make peers")
    shim = SHIMS / f"blinksocks-{version}.js"
    return [node, "--openssl-legacy-provider", "--no-deprecation", "--require", shim, script]
