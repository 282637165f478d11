"""The reference pages of both programs, written from the tables of options.

``python -m blinktun.config.reference docs/reference`` writes them; a test keeps them true.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from blinktun.config.options import CLIENT, SERVER, Kind, Option
from blinktun.config.options_blinksocks import (
    CLIENT_SCHEMES,
    LINK_OPTIONS,
    OLD_PRESETS,
    PRESETS,
    TOP_OPTIONS,
    TRANSPORTS,
)
from blinktun.config.options_kcptun import KCPTUN_OPTIONS, MODES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def pages() -> dict[str, str]:
    """Every page: file name to text."""
    return {"kcptun-options.md": _kcptun_page(), "blinksocks-options.md": _blinksocks_page()}


def default_text(option: Option, side: str) -> str:
    """What an option is on a side that does not set it; ``-`` if the side lacks it."""
    if side not in option.defaults:
        return "-"
    if option.required:
        return "required"
    value = option.defaults[side]
    if value is None:
        return "unset"
    return value if isinstance(value, str) and value else _value_text(value)


def values_text(option: Option) -> str:
    """What an option accepts: choices, or type and range."""
    if option.choices:
        return ", ".join(option.choices)
    return ", ".join(word for word in (option.kind.value, option.range_text) if word)


def _value_text(value: object) -> str:
    return "empty" if value in ("", []) else json.dumps(value)


def _kcptun_page() -> str:
    modes = [[name, *map(str, values)] for name, values in MODES.items()]
    lines = [
        "# Options of kcptun",
        "",
        "Flags take one or two dashes: `-mode fast3`, `--mode fast3`, `-mode=fast3`. A boolean",
        "stands alone or takes `=true` or `=false`. Keys of the file of `-c` match in any letter",
        "case and override the flags; `KCPTUN_KEY` replaces the default of `key`. Unknown names",
        "are errors.",
    ]
    for group, options in _groups(KCPTUN_OPTIONS):
        lines += ["", f"## {group}", "", *_table(_KCPTUN_HEADER, map(_kcptun_row, options))]
    lines += ["", "## Modes", "", "A mode overrides these four wherever they were set.", ""]
    lines += ["`auto` overrides them, both windows and both shards: nothing has to be set.", ""]
    lines += [*_table(["mode", "nodelay", "interval", "resend", "nc"], modes), ""]
    return "\n".join(lines)


def _blinksocks_page() -> str:
    lines = [
        "# Keys of blinksocks",
        "",
        "One JSON object. With `server` it is a client's, without a server's.",
        "",
        "## At the top of the file",
        "",
        *_table(_BLINKSOCKS_HEADER, map(_blinksocks_row, TOP_OPTIONS)),
        "",
        "## In `server` of a client's file, at the top of a server's",
        "",
        *_table(_BLINKSOCKS_HEADER, map(_blinksocks_row, LINK_OPTIONS)),
        "",
        "## Names",
        "",
        f"* Services of a client: {', '.join(CLIENT_SCHEMES)}.",
        f"* Between client and server: {', '.join(TRANSPORTS)}.",
        f"* Presets: {', '.join(PRESETS)}.",
        f"* Presets of old releases: {', '.join(OLD_PRESETS)}.",
        "",
    ]
    return "\n".join(lines)


def _kcptun_row(option: Option) -> list[str]:
    flags = ", ".join(f"`-{flag}`" for flag in option.flags)
    key = f"`{option.json_key}`" if option.json_key else "-"
    return [flags, key, *_common_cells(option)]


def _blinksocks_row(option: Option) -> list[str]:
    return [f"`{option.json_key}`", *_common_cells(option)]


def _common_cells(option: Option) -> list[str]:
    client, server = default_text(option, CLIENT), default_text(option, SERVER)
    since = f" Since {option.since}." if option.since else ""
    kind = "a flag alone" if option.kind is Kind.BOOLEAN and not option.json_key else ""
    return [client, server, kind or values_text(option), f"{option.help}.{since}"]


def _groups(options: Iterable[Option]) -> Iterator[tuple[str, list[Option]]]:
    grouped: dict[str, list[Option]] = {}
    for option in options:
        grouped.setdefault(option.group, []).append(option)
    yield from grouped.items()


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _line(header)
    yield _line(["---"] * len(header))
    for row in rows:
        yield _line(row)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


_KCPTUN_HEADER = ("flag", "key", "client", "server", "values", "meaning")
_BLINKSOCKS_HEADER = ("key", "client", "server", "values", "meaning")


if __name__ == "__main__":
    for file_name, text in pages().items():
        Path(sys.argv[1], file_name).write_text(text, encoding="utf-8")
