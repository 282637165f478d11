"""The table of a run, for docs/interop/scenarios.md."""

from __future__ import annotations

import platform
import re
import subprocess
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.interop.harness import peers
from tests.interop.scenarios.table import MISSING, SCENARIOS

import blinktun

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.interop.scenarios.cell import Outcome
    from tests.interop.scenarios.table import Pair, Scenario

_INTRODUCTION = """\
# blinksocks: the scenarios of the original

The 45 tests of the original's end-to-end suite, with our programs (`ours`), with the releases that
npm has, and with both together: `ours > 3.3.0` is our client with Node's server, `3.3.0 > 3.3.0` is
the control. Written by `make scenarios`; every run of the tests tries all of it
([the interop tests](../guide/interop-tests.md)).

A TCP check asks a target for 2048 bytes with curl, through SOCKS5 where the name says nothing else;
a UDP check sends an empty datagram to it and waits for as many. `not`: they must not come (1: while
another target is served; 39: nothing is). With a login, a wrong one must not deliver either. 2.5.3
is tried without UDP and without obfs-random-padding, which it does not know. Empty fields: 2.5.3
has nothing of that kind, or no client takes part (26).

A server of 3.3.0 sometimes does not recognize a request of its own client (v2ray-vmess: 5 of 1500,
`cannot find ... in cache`): in the control of 44 and 45 curl asks again. Nor does it answer a
datagram from a port that it has seen before, which the system may give out again: there a second
question counts.
"""

_COLUMNS: tuple[Pair, ...] = (
    ("ours", "ours"),
    *(("ours", "3.3.0"), ("3.3.0", "ours"), ("3.3.0", "3.3.0")),
    *(("ours", "2.5.3"), ("2.5.3", "ours"), ("2.5.3", "2.5.3")),
)


def render(outcomes: Sequence[Outcome], seconds: float) -> str:
    """The page of a run of every scenario."""
    failed = "".join(
        f"- {o.number}, {' > '.join(o.pair)}: {o.error.splitlines()[0]}\n"
        for o in outcomes
        if o.error
    )
    parts = [_INTRODUCTION, summary(outcomes, seconds), _versions(), _table(outcomes)]
    parts += [f"## Failures\n\n{failed}"] if failed else []
    return "\n".join([*parts, _absent()])


def summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    """One line: how many, and how many failed."""
    failed = sum(bool(outcome.error) for outcome in outcomes)
    absent = sum(bool(outcome.missing) for outcome in outcomes)
    verdict = f"**{failed} failed**" if failed else "all as expected"
    today = datetime.now(UTC).date()
    return (
        f"{today}: {len(outcomes)} cells in {seconds:.0f} s, {verdict};"
        f" {absent} are of what an original cannot do.\n"
    )


def _table(outcomes: Iterable[Outcome]) -> str:
    cells: defaultdict[int, dict[Pair, str]] = defaultdict(dict)
    for outcome in outcomes:
        cells[outcome.number][outcome.pair] = _verdict(outcome)
    lines = [["", "scenario", "checks", *(" > ".join(pair) for pair in _COLUMNS)]]
    lines += [["---"] * len(lines[0])]
    for number, row in cells.items():
        scenario = SCENARIOS[number]
        found = [row.get(pair, "") for pair in _COLUMNS]
        lines.append([str(number), scenario.name, _checks(scenario), *found])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _verdict(outcome: Outcome) -> str:
    if outcome.error:
        return "**failed**"
    return "cannot" if outcome.missing else "ok"


def _checks(scenario: Scenario) -> str:
    if not scenario.delivered:
        return "TCP not"
    said = [
        name if times == 1 else f"{name} x{times}"
        for name, times in (("TCP", scenario.tcp), ("UDP", scenario.udp))
        if times
    ]
    return ", ".join([*said, *(["wrong login not"] if scenario.wrong else [])])


def _absent() -> str:
    lines = ["## What the originals cannot do\n"]
    lines += ["In each run it is seen that the control fails.\n"]
    lines += ["| | release | why | proven instead by |", "| --- | --- | --- | --- |"]
    for (number, release), lack in MISSING.items():
        who = f"{release}, {lack.only}" if lack.only else release
        lines.append(f"| {number} | {who} | {lack.reason} | {lack.instead} |")
    return "\n".join(lines) + "\n"


def _versions() -> str:
    curl = re.match(r"curl (\S+)", _said("curl", "--version"))
    rows = {
        "ours": f"blinktun {blinktun.__version__} at {_said('git', 'describe', '--always')}",
        "3.3.0, 2.5.3": f"blinksocks of npm on Node {_said('node', '--version')}",
        "applications": f"curl {curl.group(1) if curl else 'unknown'}",
        "machine": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    }
    head = "| who | version |\n| --- | --- |\n"
    return head + "".join(f"| {who} | {what} |\n" for who, what in rows.items())


def _said(*command: str) -> str:
    said = subprocess.run(command, cwd=peers.ROOT, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"
