"""Which drawings the page has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.model import SIDES
from benchmarks.plots import Panel, bars, lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.model import Figure, Record

_BARS = {
    "bulk": ("download", "upload", "CPU"),
    "picture": ("download", "upload"),
    "requests": ("requests", "median"),
    "memory": ("client RSS", "server RSS", "client, a connection", "server, a connection"),
    "start-up": ("time",),
    "proxy": ("download", "upload"),
}
"""The figures drawn as bars, by kind."""


_COLOURS = {
    SIDES[side]: colour
    for side, colour in (
        ("ours", "#1b6ca8"),
        ("before", "#8fb8d8"),
        ("go", "#d1495b"),
        ("originals", "#d1495b"),
        ("four", "#8fb8d8"),
        ("node", "#5b8c5a"),
        ("libev", "#b0a8b9"),
    )
}


def draw(records: Sequence[Record]) -> dict[str, str]:
    """Drawings by name; a name begins with the kind of its records."""
    drawings = {}
    for kind, figures in _BARS.items():
        members = [record for record in records if record.kind == kind]
        for name in figures if members else ():
            drawings[_file_name(kind, name)] = _bars(kind, name, members)
    curves = dict.fromkeys(record.point.curve for record in records if record.point)
    for curve in curves:
        members = [record for record in records if record.point and record.point.curve == curve]
        drawings[_file_name(members[0].kind, curve)] = _lines(curve, members)
    return drawings


def _bars(kind: str, name: str, records: Sequence[Record]) -> str:
    figure = _figure(records[0], name)
    series = {
        SIDES[side]: {
            _category(record): median
            for record in records
            if (median := record.median(side, name)) is not None
        }
        for side in _sides(records)
    }
    categories = [_category(record) for record in records]
    return bars(f"{kind.capitalize()}: {name}", figure.unit, categories, series, _COLOURS)


def _lines(curve: str, records: Sequence[Record]) -> str:
    panels = [
        Panel(f"{figure.name}, {figure.unit}", _points(figure, records))
        for figure in records[0].figures
    ]
    axis = records[0].point.axis if records[0].point else ""
    return lines(curve.capitalize(), axis, panels, _COLOURS)


def _points(figure: Figure, records: Sequence[Record]) -> dict[str, list[tuple[float, float]]]:
    return {
        SIDES[side]: [
            (record.point.x, median)
            for record in records
            if record.point and (median := record.median(side, figure.name)) is not None
        ]
        for side in _sides(records)
    }


def _sides(records: Sequence[Record]) -> list[str]:
    return [side for side in SIDES if any(side in record.samples for record in records)]


def _category(record: Record) -> str:
    return record.name.partition("/")[2]


def _figure(record: Record, name: str) -> Figure:
    return next(figure for figure in record.figures if figure.name == name)


def _file_name(kind: str, name: str) -> str:
    return "-".join(f"{kind} {name}".replace(",", "").split())
