"""Every link with a name, and two flows on one link."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.links.contenders import CONTENDERS
from benchmarks.links.measure import beside_kernel, over_link
from benchmarks.model import Case, Figure
from blinktun.lab import LINKS, Link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.model import Side

LINK, BESIDE = "link", "beside"
"""Kinds of cases."""

FIGURES = (
    Figure("goodput", "Mbit/s"),
    Figure("share", "%"),
    Figure("wire / payload", "", "less"),
    Figure("request p50", "ms", "less"),
    Figure("request p99", "ms", "less"),
    Figure("idle p50", "ms", "less"),
    Figure("idle p99", "ms", "less"),
    Figure("start", "round trips", "less"),
)

_SHARED = "rate=50mbit delay=25ms queue=50ms"
_PAIR: tuple[Side, ...] = ("ours", "go", "quinn-bbr", "bbr", "cubic")


def all_cases(seconds: float, others: Sequence[str] = ()) -> list[Case]:
    """The cases, with a download of so many seconds; `others` are descriptions of more links.

    Raises:
        ConfigError: one of them describes no link.
    """
    links = [_link(words, seconds) for words in (*LINKS, *others)]
    return [*links, *(_beside(congestion, seconds) for congestion in ("bbr", "cubic"))]


def _link(words: str, seconds: float) -> Case:
    about = " ".join(Link(*words.split()).words)
    measure = partial(over_link, words, seconds)
    return Case(LINK, words, about, tuple(CONTENDERS), FIGURES, measure)


def _beside(congestion: str, seconds: float) -> Case:
    return Case(
        BESIDE,
        f"beside-{congestion}",
        f"a download of each, and one of the kernel's TCP with {congestion}: {_SHARED}",
        _PAIR,
        (Figure("goodput", "Mbit/s"), Figure("kernel's", "Mbit/s")),
        partial(beside_kernel, _SHARED, congestion, seconds),
    )
