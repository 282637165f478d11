"""The page that the measurements become."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interop.harness.peers import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.bulk import Result

PAGE = ROOT / "docs" / "benchmarks" / "results.md"


def table(results: Sequence[Result]) -> str:
    """The results as a Markdown table."""
    head = (
        "| case | direction | ours MB/s | Go MB/s | ratio |\n| --- | --- | ---: | ---: | ---: |\n"
    )
    rows = (
        "| {} | {} | {:.1f} | {:.1f} | {:.1f} |\n".format(
            result.case.name, result.direction, *result.medians, result.ratio
        )
        for result in results
    )
    return head + "".join(rows)


def write(results: Sequence[Result], command: str, rounds: int, seconds: int) -> None:
    """Write the page."""
    cases = {result.case.name: result.case.about for result in results}
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(
        "# Measured beside the original\n\n"
        "Written by the benchmark run; MB is 10^6 bytes. Each figure is the median of "
        f"{rounds} rounds of {seconds} s, our programs and the original ones taking turns on "
        "loopback, iperf3 at both ends of the tunnel.\n\n"
        f"{table(results)}\n"
        + "".join(f"- `{name}`: {about}\n" for name, about in cases.items())
        + f"\nCommand: `{command}`\n\n"
        + "".join(f"- {fact}\n" for fact in _circumstances())
    )


def _circumstances() -> list[str]:
    commit = _said("git", "-C", str(ROOT), "describe", "--always", "--dirty")
    kcptun = _said("dpkg-query", "--show", "--showformat=${Version}", "kcptun")
    return [
        f"machine: {_processor()}, {os.cpu_count()} cores, Linux {platform.release()}",
        f"blinktun: {commit}, Python {platform.python_version()}",
        f"kcptun: Debian {kcptun}",
        _said("iperf3", "--version").splitlines()[0],
    ]


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
