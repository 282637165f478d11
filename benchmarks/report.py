"""Records into `results.json`, `results.md` and drawings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import records as records_file
from benchmarks import summaries
from benchmarks.drawings import draw
from benchmarks.facts import described
from benchmarks.model import SIDES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.facts import Facts
    from benchmarks.model import Figure, Record

_INTRODUCTION = """# Measured beside the originals

Written by `make bench`. Every figure is the median of some samples; for each sample the programs
are started anew on loopback, and the sides take turns. MB and GB are powers of ten. Source and
sink are processes of their own (`benchmarks/flow.py`); bulk speed and CPU time are read in the same
window of steady flow, CPU time of the tunnel's processes alone. *Ratio* says how many times as
good ours is as the first peer, or as the one of the target. Medians of zero have no ratio. All
samples: [results.json](results.json).
"""


_NOISE = 0.03
"""A smaller difference is noise."""


def write(folder: Path, records: list[Record], facts: Facts) -> Path:
    """Add records to the page of a folder; those of cases measured again are replaced.

    Returns:
        The page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "results.json"
    runs, kept = records_file.read(data) if facts["only"] else ([], [])
    runs, records = records_file.merged(runs, kept, records, facts)
    data.write_text(records_file.to_json(runs, records))
    drawings = draw(records)
    for path in folder.glob("*.svg"):
        if not path.name.startswith("links-"):  # those of `make bench-links`
            path.unlink()
    for name, drawing in drawings.items():
        (folder / f"{name}.svg").write_text(drawing)
    page = folder / "results.md"
    links = summaries.take(page, summaries.LINKS)
    page.write_text("\n".join(_page(records, runs, list(drawings), links)))
    return page


def verdicts(records: Sequence[Record]) -> str:
    """How many targets are reached, and which are not."""
    judged = [
        (record, figure, record.verdict(figure)) for record in records for figure in record.figures
    ]
    passed = sum(verdict == "pass" for *_, verdict in judged)
    short = [_shortfall(record, figure) for record, figure, verdict in judged if verdict == "short"]
    return "\n".join([f"{passed} of {passed + len(short)} targets reached.", "", *short])


def changes(records: Sequence[Record]) -> str:
    """What is worse than before by more than 3 %, the worst first."""
    ratios = [
        (ratio, f"- {record.name}, {figure.name}: {ratio:.2f} times as good as before")
        for record in records
        for figure in record.figures
        if (ratio := record.ratio("before", figure)) is not None
    ]
    worse = [line for ratio, line in sorted(ratios) if ratio < 1 - _NOISE]
    better = sum(ratio > 1 + _NOISE for ratio, _ in ratios)
    return "\n".join(
        [f"{len(ratios)} figures: {better} better, {len(worse)} worse than before.", "", *worse]
    )


def _page(
    records: Sequence[Record], runs: Sequence[Facts], drawings: Sequence[str], links: str
) -> Iterator[str]:
    yield _INTRODUCTION
    yield "## Lossy links\n"
    yield "\n\n".join(part for part in (summaries.LINKS[0], links, summaries.LINKS[1], "") if part)
    yield ""
    yield "## Targets\n"
    yield verdicts(records) + "\n"
    for kind in dict.fromkeys(record.kind for record in records):
        yield f"## {kind.capitalize()}\n"
        for name in drawings:
            if name.startswith(f"{kind.replace(' ', '-')}-"):
                yield f"![{name.replace('-', ' ')}]({name}.svg)\n"
        yield from _table([record for record in records if record.kind == kind], len(runs) > 1)
    yield "## Runs\n"
    for number, facts in enumerate(runs, 1):
        yield from described(number, facts)


def _table(records: Sequence[Record], many_runs: bool) -> Iterator[str]:
    sides = [side for side in SIDES if any(_knows(record, side) for record in records)]
    titles = ["case", "figure", "unit", *(SIDES[side] for side in sides), "ratio", "target", ""]
    yield "| " + " | ".join(titles) + (" | run |" if many_runs else " |")
    yield "| --- | --- | --- |" + " ---: |" * (len(sides) + 1) + " --- |" * (2 + many_runs)
    for record in records:
        for index, figure in enumerate(record.figures):
            cells = [record.name.partition("/")[2] or record.name if index == 0 else ""]
            cells += [figure.name, figure.unit]
            cells += [_value(record.median(side, figure.name)) for side in sides]
            cells += [_ratio(record, figure), _target(figure), _verdict(record, figure)]
            yield "| " + " | ".join(cells) + (f" | {record.run + 1} |" if many_runs else " |")
    yield ""
    yield from (
        f"- `{record.name.partition('/')[2] or record.name}`: {record.about}" for record in records
    )
    for record in records:
        for side, reason in record.failures.items():
            yield f"- `{record.name}` was not measured with {SIDES[side]}: {reason}"
    yield ""
    yield from _commands(records[0])


def _commands(record: Record) -> Iterator[str]:
    """The command lines of one case; the others differ in what the case says."""
    commands = list(dict.fromkeys(line for lines in record.commands.values() for line in lines))
    if commands:
        yield f"The programs of `{record.name}`:\n\n```sh"
        yield from commands
        yield "```\n"


def _knows(record: Record, side: str) -> bool:
    return side in record.samples or side in record.failures


def _value(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def _ratio(record: Record, figure: Figure) -> str:
    beside = figure.target.beside if figure.target else ""
    peers = [beside] if beside else [side for side in record.samples if side != "ours"]
    ratio = record.ratio(peers[0], figure) if peers else None
    return f"{ratio:.2f}" if ratio else ""


def _target(figure: Figure) -> str:
    return figure.target.text(figure.unit, figure.better) if figure.target else ""


def _verdict(record: Record, figure: Figure) -> str:
    verdict = record.verdict(figure)
    return f"**{verdict}**" if verdict == "short" else verdict


def _shortfall(record: Record, figure: Figure) -> str:
    reached = f"{_value(record.median('ours', figure.name))} {figure.unit}".rstrip()
    ratio = _ratio(record, figure)
    ratio = f", ratio {ratio}" if ratio else ""
    return f"- short: {record.name}, {figure.name}: {reached}{ratio} (target {_target(figure)})"
