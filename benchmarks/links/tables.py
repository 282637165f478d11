"""Figures of all links and contenders as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.links.cases import BESIDE, FIGURES, LINK
from benchmarks.links.goals import goals, verdicts
from benchmarks.model import SIDES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from benchmarks.links.goals import Goal
    from benchmarks.model import Figure, Record, Side

_TITLES = {
    "goodput": "Goodput of the download, Mbit/s",
    "share": "The same, in % of what the link can carry (of its worst phase)",
    "wire / payload": "Bytes on the wire for each byte delivered",
    "request p50": "A request of 1 KB beside the download, median, ms",
    "request p99": "A request of 1 KB beside the download, 99th percentile, ms",
    "idle p50": "A request of 1 KB with nothing beside it, median, ms",
    "idle p99": "A request of 1 KB with nothing beside it, 99th percentile, ms",
    "start": "Round trips from cold to 80 % of the link",
}
_RATIO = "ours / quinn BBR"
_SUMMARY: tuple[Side, ...] = ("ours", "go", "quinn-bbr", "bbr", "cubic")


def everything(records: Sequence[Record]) -> Iterator[str]:
    """The tables of all figures, and which goals are met."""
    links = [record for record in records if record.kind == LINK]
    for figure in FIGURES if links else ():
        yield f"### {_TITLES[figure.name]}\n"
        yield from _table(figure, links)
        yield ""
    yield from beside(records)
    yield from judged(records)
    for record in records:
        for side, reason in record.failures.items():
            yield f"- `{record.name}` was not measured with {SIDES[side]}: {reason}"


def beside(records: Sequence[Record]) -> Iterator[str]:
    """Our downloads and the kernel's on one link: both rates."""
    pairs = [record for record in records if record.kind == BESIDE]
    if not pairs:
        return
    yield "### Beside a TCP flow of the kernel, Mbit/s: the contender + the kernel's\n"
    sides = _sides(pairs)
    yield from _rows(["beside", *(SIDES[side] for side in sides)])
    for record in pairs:
        rates = (
            (record.median(side, "goodput"), record.median(side, "kernel's")) for side in sides
        )
        cells = (f"{_value(own)} + {_value(kernel)}" for own, kernel in rates)
        yield _row([record.name.partition("-")[2], *cells])
    yield ""
    yield from (f"- {record.about}" for record in pairs)
    yield ""


def judged(records: Sequence[Record]) -> Iterator[str]:
    """How many goals are met, and which are not."""
    found = list(verdicts(records))
    if found:
        missed = [verdict for verdict in found if not verdict.met]
        yield f"{len(found) - len(missed)} of {len(found)} goals met.\n"
        yield from (f"- missed: {verdict.goal}: {_value(verdict.value)}" for verdict in missed)
        yield ""


def summary(records: Sequence[Record]) -> Iterator[str]:
    """The table for pages that are about more than links: goodput, wire bytes and requests."""
    yield from _rows(["link", *(SIDES[side] for side in _SUMMARY), _RATIO])
    for record in records:
        if record.kind == LINK:
            cells = (
                " · ".join(
                    _value(record.median(side, name))
                    for name in ("goodput", "wire / payload", "request p50")
                )
                for side in _SUMMARY
            )
            yield _row([record.name, *cells, _ratio(record, FIGURES[0])])


def _table(figure: Figure, links: Sequence[Record]) -> Iterator[str]:
    sides = _sides(links)
    bounds = {goal.link: goal for goal in goals() if goal.figure == figure.name}
    yield from _rows(["link", *(SIDES[side] for side in sides), _RATIO, "goal", ""])
    for record in links:
        cells = (_value(record.median(side, figure.name)) for side in sides)
        goal = bounds.get(record.name)
        yield _row([record.name, *cells, _ratio(record, figure), *_judgement(record, goal)])


def _judgement(record: Record, goal: Goal | None) -> tuple[str, str]:
    if goal is None:
        return "", ""
    value = record.median("ours", goal.figure)
    verdict = "" if value is None else "met" if goal.is_met(value) else "**missed**"
    return f"{'≥' if goal.more else '≤'} {goal.bound:g}", verdict


def _ratio(record: Record, figure: Figure) -> str:
    ours, quinn = (record.median(side, figure.name) for side in ("ours", "quinn-bbr"))
    return f"{ours / quinn:.2f}" if ours is not None and quinn else ""


def _sides(records: Iterable[Record]) -> list[str]:
    return [side for side in SIDES if any(side in record.samples for record in records)]


def _rows(titles: Sequence[str]) -> Iterator[str]:
    yield _row(titles)
    yield "| --- |" + " ---: |" * (len(titles) - 1)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _value(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
