"""Records into JSON, a page, drawings, and the tables of README and `results.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.interop.harness.peers import ROOT

from benchmarks.facts import described
from benchmarks.links import tables
from benchmarks.links.cases import FIGURES, LINK
from benchmarks.links.contenders import CONTENDERS
from benchmarks.model import SIDES, Record
from benchmarks.plots import dots
from benchmarks.records import merged, read, to_json
from benchmarks.summaries import LINKS, put

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.facts import Facts

_INTRODUCTION = """# Lossy links

Written by `make bench-links RECORD=1`. Links are those of `blinktun lab`, between two network
namespaces of one machine. For each sample the programs are started again; the contenders of a link
take turns in one run; every figure is the median of some samples. All tunnels encrypt.

A sample is: requests of 1 KB, one every 120 ms, alone; then a download in the same session, with
such requests beside it. The first quarter of each phase of a link is left out of goodput. Bytes on
the wire count from the beginning of the download, headers of IP included. From cold: until one
whole round trip has brought 80 % of what the link can carry. That is its rate without its losses,
times the payload of a full packet of kcptun, 94.2 %; longer packets have more. All samples:
[links.json](links.json).
"""

_COLOURS = {
    SIDES[side]: colour
    for side, colour in (
        ("ours", "#1b6ca8"),
        ("hand", "#8fb8d8"),
        ("mixed", "#3aa6a0"),
        ("go", "#d1495b"),
        ("quinn-bbr", "#edae49"),
        ("quinn-cubic", "#b07d2b"),
        ("bbr", "#5b8c5a"),
        ("cubic", "#8a8a8a"),
    )
}
_DRAWN = {
    "share": "Goodput, in % of what the link can carry",
    "wire / payload": "Bytes on the wire for each byte delivered",
    "request p50": "A request beside the download, median",
    "request p99": "A request beside the download, 99th percentile",
}


def write(folder: Path, records: list[Record], facts: Facts) -> Path:
    """Add records to the page of a folder; those of links measured again are replaced.

    Returns:
        The page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "links.json"
    runs, kept = read(data) if facts["only"] else ([], [])
    runs, records = merged(runs, kept, records, facts)
    data.write_text(to_json(runs, records))
    drawings = _drawings(records)
    for name, drawing in drawings.items():
        (folder / f"{name}.svg").write_text(drawing)
    page = folder / "links.md"
    page.write_text("\n".join(_page(records, runs, list(drawings))))
    return page


def write_summaries(folder: Path) -> None:
    """Put what the folder's records say first into README and the page of results."""
    _, records = read(folder / "links.json")
    for path, way in ((ROOT / "README.md", "docs/benchmarks/"), (folder / "results.md", "")):
        put(path, LINKS, summary(records, way))


def summary(records: Sequence[Record], way: str) -> Iterator[str]:
    """A drawing and a table for a page from which `way` leads to this one."""
    yield f"![goodput over lossy links]({way}links-share.svg)\n"
    yield "Goodput in Mbit/s · bytes on the wire for each byte delivered · a request of 1 KB beside"
    yield "the download, median in ms."
    yield f"[More contenders and figures, and the links]({way}links.md).\n"
    yield from tables.summary(records)


def _page(
    records: Sequence[Record], runs: Sequence[Facts], drawings: Sequence[str]
) -> Iterator[str]:
    yield _INTRODUCTION
    yield from tables.everything(records)
    yield from (f"![{name.replace('-', ' ')}]({name}.svg)\n" for name in drawings)
    yield "## Contenders\n"
    yield from (f"- {SIDES[side]}: {contender.about}" for side, contender in CONTENDERS.items())
    yield "\n## Links\n"
    yield from (f"- `{record.name}`: `{record.about}`" for record in records if record.kind == LINK)
    yield ""
    yield from _commands(records[0])
    yield "## Runs\n"
    for number, facts in enumerate(runs, 1):
        yield from described(number, facts)


def _commands(record: Record) -> Iterator[str]:
    yield f"The programs over `{record.name}`:\n\n```sh"
    for lines in record.commands.values():
        yield from lines
    yield "```\n"


def _drawings(records: Sequence[Record]) -> dict[str, str]:
    links = [record for record in records if record.kind == LINK]
    figures = [figure for figure in FIGURES if figure.name in _DRAWN] if links else []
    return {
        "-".join(f"links {figure.name}".replace("/", "").split()): dots(
            _DRAWN[figure.name],
            figure.unit,
            [record.name for record in links],
            {
                SIDES[side]: {
                    record.name: median
                    for record in links
                    if (median := record.median(side, figure.name)) is not None
                }
                for side in CONTENDERS
                if any(side in record.samples for record in links)
            },
            _COLOURS,
            logarithmic=figure.better == "less",
        )
        for figure in figures
    }
