"""Goodput and start of a download, from what had arrived when.

`rust/blinktun-sim/src/download.rs` judges downloads in virtual time by the same rules.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from blinktun.lab import Link

PAYLOAD = 1298 / 1378
"""The payload of a full packet, with an MTU of 1350 for KCP."""
LEFT_OUT = 0.25
"""The share of each phase that is left out: the sender finds out what the link carries."""
BEGUN = 0.8
"""What a download must have to have begun, of what the link can carry."""
BEHIND_CHANGES = 8.0
"""A download goes on for so many seconds behind the last change of its link."""


@dataclass(frozen=True)
class Phase:
    """Seconds in which a link stays as it is, and the payload in Mbit/s that it can carry then."""

    begin: float
    end: float
    carries: float


def phases(link: Link, seconds: float) -> Iterator[Phase]:
    """Those of a download of so many seconds, or of a longer one if the link changes."""
    changes = link.down
    last = changes[-1].begin + BEHIND_CHANGES if len(changes) > 1 else seconds
    ends = [*(change.begin for change in changes[1:]), last]
    for change, end in zip(changes, ends, strict=True):
        if change.rate is None:
            raise ValueError("a link without a rate cannot be filled")
        carries = change.rate * 8e-6 * PAYLOAD * (1 - change.loss)
        yield Phase(change.begin, end, carries)


def round_trip(link: Link) -> float:
    """Seconds of a round trip without a queue."""
    return link.up[0].delay + link.down[0].delay


@dataclass(frozen=True)
class Progress:
    """What had arrived when: seconds and bytes, in the order of time."""

    marks: Sequence[tuple[float, int]]

    def goodput(self, course: Sequence[Phase]) -> float:
        """Mbit/s, without the beginning of each phase."""
        seconds = sum((phase.end - phase.begin) * (1 - LEFT_OUT) for phase in course)
        return sum(self._measured(phase) for phase in course) / seconds

    def share(self, course: Sequence[Phase]) -> float:
        """The smallest share that it had in a phase, of what the link could carry."""
        return min(
            self._measured(phase) / ((phase.end - phase.begin) * (1 - LEFT_OUT) * phase.carries)
            for phase in course
        )

    def start(self, course: Sequence[Phase], trip: float) -> float:
        """Round trips until a whole one brought 80 % of what the link can carry.

        If none did: all that there were.
        """
        wanted = course[0].carries * BEGUN * 125e3 * trip
        reached = (
            at for at, got in self.marks if at >= trip and got - self.arrived(at - trip) >= wanted
        )
        return next(reached, self.marks[-1][0]) / trip

    def arrived(self, at: float) -> int:
        """Bytes by then."""
        place = bisect_right(self.marks, at, key=lambda mark: mark[0])
        return self.marks[place - 1][1] if place else 0

    def _measured(self, phase: Phase) -> float:
        """Megabits that count."""
        begin = phase.end - (phase.end - phase.begin) * (1 - LEFT_OUT)
        return (self.arrived(phase.end) - self.arrived(begin)) * 8e-6
