"""Under what circumstances a run was made."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.interop.harness.peers import ROOT, system

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from benchmarks.model import Plan

Facts = dict[str, Any]

ORIGINALS = (
    "blinktun", "Python", "kcptun", "blinksocks", "shadowsocks-libev", "nginx", "wrk",
)  # fmt: skip
"""The programs of most measurements."""


def circumstances(plan: Plan, only: str) -> Facts:
    """Command, machine and versions, now."""
    make = "make bench-quick" if plan.name == "quick" else "make bench"
    return {
        "command": f"{make} ONLY={only!r}" if only else make,
        "only": only,
        "plan": f"{plan.name}: up to {plan.rounds} samples of {plan.window:g} s",
        **surroundings(),
    }


def surroundings(programs: Iterable[str] = ORIGINALS) -> Facts:
    """Machine and versions of these programs, now."""
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "load": f"{os.getloadavg()[0]:.2f} before it began",
        "versions": {name: _VERSIONS[name]() for name in programs},
    }


def described(number: int, facts: Facts) -> Iterator[str]:
    """A run for the page."""
    yield f"{number}. `{facts['command']}`, {facts['date']}"
    for key in ("plan", "machine", "system", "load"):
        yield f"   - {key}: {facts[key]}"
    for program, version in facts["versions"].items():
        yield f"   - {program}: {version}"
    yield ""


def _blinksocks() -> str:
    folder = ROOT / ".peers/blinksocks-3.3.0/node_modules/blinksocks"
    version = json.loads((folder / "package.json").read_text())["version"]
    return f"npm {version}, Node {_said('node', '--version')}"


def _quinn() -> str:
    lock = tomllib.loads((ROOT / "benchmarks" / "quic" / "Cargo.lock").read_text())
    versions = {package["name"]: package["version"] for package in lock["package"]}
    return f"{versions['quinn']}, quinn-proto {versions['quinn-proto']}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def _package(name: str) -> str:
    return _said("dpkg-query", "--show", "--showformat=${Version}", name)


def _said(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).strip()


_VERSIONS: dict[str, Callable[[], str]] = {
    "blinktun": lambda: _said("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
    "Python": platform.python_version,
    "kcptun": lambda: f"Debian {_package('kcptun')}",
    "blinksocks": _blinksocks,
    "shadowsocks-libev": lambda: f"Debian {_package('shadowsocks-libev')}",
    "nginx": lambda: _said(str(system("nginx")), "-v").rpartition("/")[2],
    "wrk": lambda: f"Debian {_package('wrk')}",
    "quinn": _quinn,
}
