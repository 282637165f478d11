"""The table of a run, for a terminal and for docs/interop/matrix.md."""

from __future__ import annotations

import platform
import re
import subprocess
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.interop.harness import peers

import blinktun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.interop.matrix.cell import Cell, Outcome

Key = tuple[str, ...]

_INTRODUCTION = """\
# kcptun: the whole matrix

Our programs with the kcptun of 2021 (`theirs`), with one of 2026 (`modern`) and with each other, on
loopback. Written by `make matrix`; how to read, repeat and narrow it:
[the interop tests](../guide/interop-tests.md).

Each combination starts a fresh client and server and carries seven concurrent streams of 1 byte to
200 kB, more where a size is named; every byte is checked in both directions. `ours > theirs` is our
client with their server. A field counts the combinations of everything that its table does not
name: smux 1 and 2, with and without compression, 0 and 5 % loss in each direction. Old ciphers
with the kcptun of 2026, ours with ours, MTU with windows: each third or sixth of them, in turn.
"""


def render(parts: Mapping[str, Sequence[Outcome]], seconds: float) -> str:
    """The page of a full run, by the headings of its parts."""
    everything = [outcome for outcomes in parts.values() for outcome in outcomes]
    sections = [
        f"## {heading}\n\n{table(outcomes, *_AXES.get(heading, _BY_FEC))}"
        for heading, outcomes in parts.items()
        if outcomes
    ]
    return "\n".join(
        [_INTRODUCTION, f"{summary(everything, seconds)}\n", _versions(), *sections]
        + ([f"## Failures\n\n{failures(everything)}"] if failures(everything) else [])
    )


def summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    """One line: how many, and how many failed."""
    failed = sum(bool(outcome.error) for outcome in outcomes)
    verdict = f"**{failed} failed**" if failed else "all ok"
    today = datetime.now(UTC).date()
    return f"{today}: {len(outcomes)} combinations in {seconds:.0f} s, {verdict}."


def failures(outcomes: Iterable[Outcome]) -> str:
    """What failed, a line each with the first line of its cause."""
    lines = (
        f"- `{outcome.cell}`: {outcome.error.splitlines()[0]}\n"
        for outcome in outcomes
        if outcome.error
    )
    return "".join(lines)


def table(
    outcomes: Sequence[Outcome],
    title: str,
    row_of: Callable[[Cell], str],
    column_of: Callable[[Cell], str],
) -> str:
    """How many were right in each row and column."""
    right: Counter[Key] = Counter()
    wrong: Counter[Key] = Counter()
    for outcome in outcomes:
        key = (row_of(outcome.cell), column_of(outcome.cell))
        (wrong if outcome.error else right)[key] += 1
    rows = list(dict.fromkeys(row_of(outcome.cell) for outcome in outcomes))
    columns = list(dict.fromkeys(column_of(outcome.cell) for outcome in outcomes))
    lines = [[title, *columns], ["---"] * (len(columns) + 1)]
    lines += [[row, *(_field(right[row, c], wrong[row, c]) for c in columns)] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def pair_of(cell: Cell) -> str:
    """Client and server."""
    return " > ".join(cell.pair)


def shards_of(cell: Cell) -> str:
    """datashard and parityshard, both ends' where they differ."""
    near, far = ("+".join(map(str, shards)) for shards in cell.shards)
    return near if near == far else f"client {near}, server {far}"


def _field(right: int, wrong: int) -> str:
    if not wrong:
        return f"{right} ok" if right else ""
    return f"**{wrong} failed**, {right} ok"


def _crypt(cell: Cell) -> str:
    return cell.crypt


_BY_FEC = ("crypt", _crypt, lambda cell: f"{pair_of(cell)}, {shards_of(cell)}")
_AXES: Mapping[str, tuple[str, Callable[[Cell], str], Callable[[Cell], str]]] = {
    "QPP": ("crypt", _crypt, lambda cell: f"{pair_of(cell)}, {cell.pads} pads"),
    "Shards that differ": ("shards", shards_of, pair_of),
    "MTU and windows": (
        "mtu",
        lambda cell: str(cell.mtu),
        lambda cell: f"{cell.window} segments",
    ),
    "Mode auto at our end": ("shards of the other end", shards_of, pair_of),
    "Sizes": ("bytes down and up", lambda cell: f"{cell.bulk:,}", pair_of),
}


def _versions() -> str:
    modules = (peers.ROOT / "tests/interop/modern/go.mod").read_text()
    pinned = re.findall(r"^\t\S+/(kcp-go|smux|qpp|snappy)\S* v(\S+)$", modules, re.MULTILINE)
    commit = _said("git", "describe", "--always", "--dirty")
    rows = {
        "ours": f"blinktun {blinktun.__version__} at {commit}",
        "theirs": f"kcptun {_said('dpkg-query', '-W', '-f', '${Version}', 'kcptun')}, Debian's",
        "modern": ", ".join(f"{name} {version}" for name, version in pinned),
        "machine": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    }
    return "".join(
        [
            "| who | version |\n| --- | --- |\n",
            *(f"| {who} | {what} |\n" for who, what in rows.items()),
        ]
    )


def _said(*command: str) -> str:
    said = subprocess.run(command, cwd=peers.ROOT, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"
