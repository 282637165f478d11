"""Drawings as SVG, written by hand: horizontal bars, rows of dots, and panels of lines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_INK, _GRID = "#333333", "#dddddd"
_BAR, _GAP = 13, 12
_LABELS, _ROOM = 280, 90
"""Pixels left of the bars, and right of the longest for its number."""

Series = dict[str, dict[str, float]]
"""For each series the value of each category."""

Colours = dict[str, str]
"""The colour of each series."""


@dataclass(frozen=True)
class Panel:
    """One figure over x: for each series its points."""

    title: str
    series: Mapping[str, Sequence[tuple[float, float]]]


def bars(title: str, unit: str, categories: Sequence[str], series: Series, colours: Colours) -> str:
    """Categories below each other, each with a bar for every series."""
    width, top = 860, 62
    most = max((value for row in series.values() for value in row.values()), default=0) or 1
    scale = (width - _LABELS - _ROOM) / most
    body = [
        _text(14, 24, title, size=16, weight="bold"),
        *_legend({name: colours[name] for name in series}, 14, 44),
    ]
    y = top
    for category in categories:
        values = {name: row[category] for name, row in series.items() if category in row}
        middle = y + _BAR * len(values) / 2 + 3
        body.append(_text(_LABELS - 8, middle, category, anchor="end"))
        for name, value in values.items():
            body += _bar(y, value, scale, colours[name])
            y += _BAR
        y += _GAP
    bottom = y
    body.append(_line(_LABELS, top - 6, _LABELS, bottom, _INK))
    body.append(_text(_LABELS, bottom + 16, f"{unit}, median; longer is more", size=11))
    return _document(width, bottom + 26, body)


def dots(
    title: str,
    unit: str,
    categories: Sequence[str],
    series: Series,
    colours: Colours,
    *,
    logarithmic: bool = False,
) -> str:
    """Categories below each other, each a row with a dot for every series."""
    width, top, row, left = 860, 92, 26, 90
    used = {name: colours[name] for name in series}
    values = [value for points in series.values() for value in points.values() if value > 0]
    ticks = _decades(values) if logarithmic else _ticks(max(values, default=1.0))
    place = _scale(ticks[0], ticks[-1], left, width - 30, logarithmic=logarithmic)
    bottom = top + row * len(categories)
    names = list(used)
    body = [
        _text(14, 24, title, size=16, weight="bold"),
        *_legend({name: used[name] for name in names[:4]}, 14, 44),
        *_legend({name: used[name] for name in names[4:]}, 14, 62),
    ]
    for tick in ticks:
        body.append(_line(place(tick), top - 6, place(tick), bottom, _GRID))
        body.append(_text(place(tick), bottom + 16, _number(tick), size=11, anchor="middle"))
    body.append(
        _text(width - 30, bottom + 34, f"{unit}, median".lstrip(", "), size=11, anchor="end")
    )
    for index, category in enumerate(categories):
        y = top + row * index + row / 2
        body.append(_line(left, y, width - 30, y, _GRID))
        body.append(_text(left - 10, y + 4, category, anchor="end"))
        # The first series is drawn last: nothing hides it.
        for name in reversed(names):
            value = series[name].get(category)
            if value is not None:
                body += _dot(place(max(value, ticks[0])), y, used[name], first=name == names[0])
    return _document(width, bottom + 44, body)


def lines(title: str, axis: str, panels: Sequence[Panel], colours: Colours) -> str:
    """Panels side by side over a common, logarithmic x axis."""
    wide, high, top = 300, 300, 62
    names = dict.fromkeys(name for panel in panels for name in panel.series)
    body = [
        _text(14, 24, title, size=16, weight="bold"),
        *_legend({name: colours[name] for name in names}, 14, 44),
    ]
    for index, panel in enumerate(panels):
        body += _panel(panel, colours, axis, (14 + index * wide, top, wide - 20, high - 20))
    return _document(14 + wide * len(panels), top + high + 10, body)


def _bar(y: float, value: float, scale: float, colour: str) -> list[str]:
    length = max(1.0, value * scale)
    return [
        f'<rect x="{_LABELS}" y="{y}" width="{length:.1f}" height="{_BAR - 2}" fill="{colour}"/>',
        _text(_LABELS + length + 5, y + _BAR - 3, _number(value), size=11),
    ]


def _dot(x: float, y: float, colour: str, *, first: bool) -> Iterator[str]:
    size = 'r="7" stroke="#ffffff"' if first else 'r="5" fill-opacity="0.85"'
    yield f'<circle cx="{x:.1f}" cy="{y:.1f}" {size} fill="{colour}"/>'


def _scale(
    low: float, high: float, left: float, right: float, *, logarithmic: bool
) -> Callable[[float], float]:
    def at(value: float) -> float:
        return math.log10(value) if logarithmic else value

    return lambda value: left + (at(value) - at(low)) / (at(high) - at(low)) * (right - left)


def _decades(values: Sequence[float]) -> list[float]:
    """Round steps of a logarithmic axis around the values."""
    least, most = min(values, default=1.0), max(values, default=10.0)
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    steps = [10.0**power * factor for power in powers for factor in (1, 1.5, 2, 3, 5, 7)]
    first = max((step for step in steps if step <= least), default=steps[0])
    last = min(step for step in [*steps, steps[-1] * 10] if step > most)
    return [step for step in steps if first <= step <= last]


def _panel(
    panel: Panel, colours: Colours, axis: str, box: tuple[float, float, float, float]
) -> Iterator[str]:
    left, top, width, height = box[0] + 44, box[1] + 18, box[2] - 44, box[3] - 50
    points = [point for series in panel.series.values() for point in series]
    xs = sorted({x for x, _ in points})
    ticks = _ticks(max((y for _, y in points), default=1.0))
    low, high = math.log10(xs[0]), math.log10(xs[-1])

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - low) / (high - low) if high > low else 0.5
        return left + across * width, top + height * (1 - y / ticks[-1])

    yield _text(box[0], box[1] + 4, panel.title, weight="bold")
    for tick in ticks:
        y = place(xs[0], tick)[1]
        yield _line(left, y, left + width, y, _GRID)
        yield _text(left - 6, y + 4, _number(tick), size=11, anchor="end")
    for x in xs:
        yield _text(place(x, 0)[0], top + height + 16, _short(x), size=11, anchor="middle")
    yield _text(left + width / 2, top + height + 34, axis, size=11, anchor="middle")
    yield _line(left, top, left, top + height, _INK)
    yield _line(left, top + height, left + width, top + height, _INK)
    for name, series in panel.series.items():
        yield from _curve([place(x, y) for x, y in sorted(series)], colours[name])


def _curve(points: Sequence[tuple[float, float]], colour: str) -> Iterator[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y in points:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"/>'


def _ticks(most: float) -> list[float]:
    """From 0 to at least `most` in four to eight round steps."""
    raw = (most or 1.0) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)
    return [step * index for index in range(max(1, math.ceil(most / step - 1e-9)) + 1)]


def _legend(colours: Colours, x: float, y: float) -> Iterator[str]:
    for name, colour in colours.items():
        yield f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}"/>'
        yield _text(x + 17, y, name)
        x += 40 + 8 * len(name)


def _number(value: float) -> str:
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def _short(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _text(
    x: float, y: float, words: str, *, size: int = 12, anchor: str = "start", weight: str = ""
) -> str:
    bold = f' font-weight="{weight}"' if weight else ""
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text {place}{bold} fill="{_INK}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}"/>'


def _document(width: float, height: float, body: Sequence[str]) -> str:
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    # A ground of its own: pages may be dark.
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">',
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        )
    )
