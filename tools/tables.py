"""Write the tables of bounds and timers in ARCHITECTURE.md, with the values that the sources have.

``tools/tables.md`` holds the rows: what is bounded, in words, and in place of each value its
constant, as ``{smux/stuck.rs PATIENCE}`` or, with a unit, ``{smux/budget.rs SHARED bytes}``. The
last cell of a row names the places without such a constant; those of constants are put in front.

    python tools/tables.py            write
    python tools/tables.py --check    fail if the page is not up to date
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "ARCHITECTURE.md"
ROWS = ROOT / "tools" / "tables.md"
FOLDERS = ("rust/blinktun-proto/src", "rust", "src/blinktun")
"""Where the names of files in the tables begin."""

BEGIN, END = "<!-- {} by tools/tables.py -->", "<!-- end of {} -->"

_VALUE = re.compile(r"\{(?P<file>[\w/.-]+) (?P<name>\w+)(?: (?P<unit>\w+))?\}")
_PLACE = re.compile(r"`(?P<file>[\w/-]+\.(?:rs|py))`(?P<names>(?:,? (?:and )?`\w+`)*)")
_RUST = r"\bconst {0}: [^=]+=\s*(?P<value>[^;]+);|^\s*{0}: (?P<field>[^,\n]+),$"
_DURATION = re.compile(r"Duration::from_(secs|millis|micros)\((.+)\)")
_A_SECOND = {"secs": 1, "millis": 1000, "micros": 1_000_000}


def main() -> int:
    """Write or check the page."""
    text = PAGE.read_text()
    fresh = rendered(text)
    if "--check" in sys.argv[1:]:
        if fresh != text:
            sys.stderr.write("ARCHITECTURE.md is not up to date: run tools/tables.py\n")
        return int(fresh != text)
    PAGE.write_text(fresh)
    return 0


def rendered(page: str) -> str:
    """The page with its tables as the sources have them."""
    for name, table in tables(ROWS.read_text()).items():
        begin, end = BEGIN.format(name), END.format(name)
        before, found, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if not found or not ended:
            raise ValueError(f"ARCHITECTURE.md has no {begin} and {end}")
        page = f"{before}{begin}\n\n{table}\n{end}{after}"
    return page


def tables(text: str) -> dict[str, str]:
    """The tables below the headings of a text, in lower case, with their values."""
    found: dict[str, str] = {}
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        lines = [line for line in body.splitlines() if line.startswith("|")]
        rows = [*lines[:2], *map(row, lines[2:])]
        found[heading.lower()] = "\n".join(rows) + "\n"
    return found


def row(line: str) -> str:
    """One row: values instead of constants, and the places of all."""
    *cells, places = (cell.strip() for cell in line.strip("|").split("|"))
    named: dict[str, list[str]] = {}
    for value in (found for cell in cells for found in _VALUE.finditer(cell)):
        names = named.setdefault(value["file"], [])
        if value["name"] not in names:
            names.append(value["name"])
    for place in _PLACE.finditer(places):
        for name in re.findall(r"`(\w+)`", place["names"]) or [""]:
            find(place["file"], name)
    where = [f"`{file}` {' '.join(f'`{name}`' for name in names)}" for file, names in named.items()]
    cells = [_VALUE.sub(lambda found: written(*found.groups()), cell) for cell in cells]
    return f"| {' | '.join(cells)} | {', '.join(filter(None, [*where, places]))} |"


def written(file: str, name: str, unit: str | None) -> str:
    """A constant's value as the tables have it; times are in seconds, if no unit is named."""
    value = number(file, find(file, name))
    match unit or ("s" if isinstance(value, Seconds) else None):
        case "s":
            return f"{float(value):g} s"
        case "ms":
            return f"{value * 1000:g} ms"
        case "minutes":
            return f"{value / 60:g} minutes"
        case "bytes":
            size, prefix = value, "bytes"
            for larger in ("KiB", "MiB"):
                if size >= 1024 and size % 1024 == 0:
                    size, prefix = size // 1024, larger
            return f"{size:g} {prefix}"
        case None:
            return f"{value:g}" if isinstance(value, float) else str(value)
        case _:
            raise ValueError(f"{file} {name}: {unit} is no unit")


class Seconds(float):
    """A time."""


def find(file: str, name: str) -> str:
    """The text of a constant or default; of no name, that the file exists.

    Raises:
        ValueError: it does not.
    """
    paths = [ROOT / folder / file for folder in FOLDERS if (ROOT / folder / file).is_file()]
    if not paths:
        raise ValueError(f"{file} does not exist")
    text = paths[0].read_text()
    if not name:
        return ""
    if file.endswith(".rs"):
        found = re.search(_RUST.format(name), text, re.MULTILINE)
    else:
        found = re.search(
            rf"^ *(?:{name}(?:: [\w\[\]]+)? = (?P<value>[^#\n]+))", text, re.MULTILINE
        )
    if found:
        return next(value for value in found.groups() if value).strip()
    if re.search(rf"\b{name}\b", text):
        return ""  # a place without a number
    raise ValueError(f"{file} has no {name}")


def number(file: str, text: str) -> float:
    """The value of an expression with numbers and the other constants of its file.

    Raises:
        ValueError: it is something else.
    """
    if found := _DURATION.fullmatch(text):
        value = number(file, found[2])
        return Seconds(value / _A_SECOND[found[1]])
    try:
        return calculate(file, ast.parse(text, mode="eval").body)
    except SyntaxError:
        raise ValueError(f"{file}: {text!r} is no number") from None


def calculate(file: str, node: ast.expr) -> float:
    """The value of a parsed expression."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Name(id=name):
            return number(file, find(file, name))
        case ast.BinOp(left=left, op=op, right=right):
            one, other = calculate(file, left), calculate(file, right)
            match op:
                case ast.LShift():
                    return int(one) << int(other)
                case ast.Mult():
                    return one * other
                case ast.Add():
                    return one + other
                case ast.Sub():
                    return one - other
    raise ValueError(f"{file}: {ast.unparse(node)} is no number")


if __name__ == "__main__":
    sys.exit(main())
