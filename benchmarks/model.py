"""The nouns: a case has sides and figures; a record is what measuring it gave."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

Side = Literal[
    "ours", "before", "hand", "mixed", "go", "node", "libev", "originals", "four", "direct",
    "quinn-bbr", "quinn-cubic", "bbr", "cubic",
]  # fmt: skip
"""Who is measured; `before` is another build of ours, `originals` are Go's and Node's programs
together, `direct` is no tunnel. Those over links are in `links/contenders.py`."""

SIDES: dict[str, str] = {
    "ours": "blinktun",
    "before": "blinktun before",
    "hand": "blinktun by hand",
    "mixed": "blinktun to Go",
    "go": "Go kcptun",
    "node": "Node blinksocks",
    "libev": "shadowsocks-libev",
    "originals": "Go + Node",
    "four": "blinktun, four processes",
    "direct": "no tunnel",
    "quinn-bbr": "quinn BBR",
    "quinn-cubic": "quinn cubic",
    "bbr": "kernel BBR",
    "cubic": "kernel cubic",
}
"""The sides by their titles."""

Readings = dict[str, float]
"""One sample: a value for each figure."""


class MeasureError(Exception):
    """A sample could not be taken."""


@dataclass(frozen=True)
class Target:
    """What ours must reach: `factor` times as good as `beside`, or a `limit` in the unit."""

    beside: str = ""
    factor: float = 0.0
    limit: float | None = None

    def text(self, unit: str, better: str) -> str:
        """The target in words."""
        if self.limit is not None:
            return f"{'≥' if better == 'more' else '≤'} {self.limit:,g} {unit}".rstrip()
        return f"{self.factor:g}x {SIDES[self.beside]}"


@dataclass(frozen=True)
class Figure:
    """One value of a sample."""

    name: str
    unit: str
    better: Literal["more", "less"] = "more"
    target: Target | None = None


@dataclass(frozen=True)
class Point:
    """The place of a case on a curve."""

    curve: str
    axis: str
    x: int


@dataclass(frozen=True)
class Plan:
    """How long and how often."""

    name: str
    rounds: int
    """Samples of each side."""
    settle: float
    """Seconds between the first byte and the measured window."""
    window: float
    """Seconds of the measured window."""
    connections: int
    """Short connections, and ten times the idle ones."""
    scale: int
    """The largest number of streams; a fifth as many sessions."""


FULL = Plan("full", rounds=3, settle=0.3, window=1.0, connections=20_000, scale=10_000)
QUICK = Plan("quick", rounds=1, settle=0.2, window=0.5, connections=5_000, scale=1_000)
SMOKE = Plan("smoke", rounds=1, settle=0.05, window=0.15, connections=50, scale=10)


@dataclass(frozen=True)
class Case:
    """Something to measure on each of its sides."""

    kind: str
    name: str
    about: str
    sides: tuple[Side, ...]
    figures: tuple[Figure, ...]
    measure: Callable[[Side, Path], Awaitable[Readings]]
    rounds: int = 99
    """At most so many."""
    point: Point | None = None


@dataclass
class Record:
    """A measured case."""

    kind: str
    name: str
    about: str
    figures: list[Figure]
    point: Point | None = None
    samples: dict[str, list[Readings]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    commands: dict[str, list[str]] = field(default_factory=dict)
    run: int = 0

    def median(self, side: str, figure: str) -> float | None:
        """The median of a side's samples; None without any."""
        values = [sample[figure] for sample in self.samples.get(side, ()) if figure in sample]
        return statistics.median(values) if values else None

    def ratio(self, side: str, figure: Figure) -> float | None:
        """How many times as good as that side ours is; None if it cannot be told."""
        ours, theirs = self.median("ours", figure.name), self.median(side, figure.name)
        if side == "ours" or not ours or not theirs:
            return None
        return ours / theirs if figure.better == "more" else theirs / ours

    def verdict(self, figure: Figure) -> Literal["pass", "short", ""]:
        """Whether ours reaches the target; empty without a target or a sample."""
        target, ours = figure.target, self.median("ours", figure.name)
        if target is None or ours is None:
            return ""
        if target.limit is not None:
            reached = ours >= target.limit if figure.better == "more" else ours <= target.limit
        else:
            ratio = self.ratio(target.beside, figure)
            if ratio is None:
                return ""
            reached = ratio >= target.factor
        return "pass" if reached else "short"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The opposite of `to_json`."""
        figures = [
            Figure(**entry | {"target": Target(**entry["target"]) if entry["target"] else None})
            for entry in values["figures"]
        ]
        point = Point(**values["point"]) if values["point"] else None
        return cls(**values | {"figures": figures, "point": point})
