"""What ours must reach over each link, and whether it does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.model import Record

TABLE = Path(__file__).with_name("goals.txt")
OF_QUINN = 0.97
"""Of the goodput of quinn's BBR, over every link."""

_FIGURES = ("goodput", "wire / payload", "request p50", "request p99", "idle p99", "start")
"""What the columns of the table are called in records."""


@dataclass(frozen=True)
class Goal:
    """A bound of a figure over a link: at least so much goodput, at most so much of all others."""

    link: str
    figure: str
    bound: float
    reason: str = ""

    @property
    def more(self) -> bool:
        """Whether more is better."""
        return self.figure in {"goodput", "share"}

    def is_met(self, value: float) -> bool:
        """Whether a value is good enough."""
        return value >= self.bound if self.more else value <= self.bound

    def __str__(self) -> str:
        return (
            f"{self.link}, {self.figure} {'≥' if self.more else '≤'} {self.bound:.4g}{self.reason}"
        )


@dataclass(frozen=True)
class Verdict:
    """A goal and what was measured."""

    goal: Goal
    value: float

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.goal.is_met(self.value)


def goals() -> list[Goal]:
    """Those of the table."""
    found = []
    for line in TABLE.read_text().splitlines():
        if not line.startswith("#"):
            link, *bounds = line.split()
            found += [
                _goal(link, figure, bound)
                for figure, bound in zip(_FIGURES, bounds, strict=True)
                if bound != "-"
            ]
    return found


def verdicts(records: Sequence[Record]) -> Iterator[Verdict]:
    """Whether goals are met; those of links without samples of ours are left out."""
    by_link = {record.name: record for record in records}
    for record in records:
        quinn = record.median("quinn-bbr", "goodput")
        ours = record.median("ours", "goodput")
        if record.kind == "link" and quinn and ours:
            reason = f" ({OF_QUINN:.0%} of quinn BBR)"
            yield Verdict(Goal(record.name, "goodput", OF_QUINN * quinn, reason), ours)
    for goal in goals():
        measured = by_link.get(goal.link)
        value = measured.median("ours", goal.figure) if measured else None
        if value is not None:
            yield Verdict(goal, value)


def _goal(link: str, figure: str, bound: str) -> Goal:
    if bound.endswith("%"):
        return Goal(link, "share", float(bound.removesuffix("%")))
    return Goal(link, figure, float(bound))
