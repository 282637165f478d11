"""The help of the commands, rendered from the tables of options."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from blinktun.config.options import CLIENT, SERVER, Kind
from blinktun.config.options_blinksocks import (
    CLIENT_SCHEMES,
    LINK_OPTIONS,
    OLD_PRESETS,
    PRESET_HELP,
    PRESET_OPTIONS,
    PRESETS,
    TOP_OPTIONS,
    TRANSPORTS,
)
from blinktun.config.options_kcptun import AUTO, KCPTUN_OPTIONS, MODES
from blinktun.config.reference import default_text, values_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blinktun.config.options import Option

_WIDTH = 96
_COLUMN = 30
_PLAIN = frozenset({"false", "empty", "unset"})


def kcptun_help(program: str, side: str | None) -> str:
    """What ``--help`` prints for kcptun-client, kcptun-server or (side None) kcptun."""
    about = {
        CLIENT: "the near end: takes TCP connections and sends them over KCP on UDP",
        SERVER: "the far end: receives KCP on UDP and connects each stream to a TCP target",
        None: "either end: a client with localaddr or remoteaddr, a server with listen or target",
    }[side]
    example = {
        CLIENT: f"{program} -l :12948 -r example.com:29900 -key SECRET",
        SERVER: f"{program} -l :29900 -t 127.0.0.1:30370 -key SECRET",
        None: f"{program} -c kcptun.client.json",
    }[side]
    head = f"{program}, {about}\n\nusage: {program} [-FLAG VALUE]... [-c FILE]\n"
    options = [o for o in KCPTUN_OPTIONS if side is None or side in o.defaults]
    groups = _groups(options, side)
    return "\n".join([head, _KCPTUN_RULES, *groups, *_modes(), "", f"example: {example}"])


def blinksocks_help() -> str:
    """What ``--help`` prints for blinksocks."""
    sections = (
        ("At the top of the file", TOP_OPTIONS),
        ("Inside \"server\" of a client's file, at the top of a server's", LINK_OPTIONS),
        ('In each entry of "presets"', PRESET_OPTIONS),
    )
    lines = [_BLINKSOCKS_HEAD]
    for heading, options in sections:
        lines.append(f"\n{heading}")
        lines += [line for option in options for line in _entry(option.json_key, option, None)]
    lines += [
        "\nProtocols in a service",
        f"  for applications: {', '.join(CLIENT_SCHEMES)}",
        f"  between client and server: {', '.join(TRANSPORTS)}",
    ]
    return "\n".join([*lines, "", _BLINKSOCKS_EXAMPLE])


def preset_list() -> str:
    """What ``--list-presets`` prints: each preset, and what it is for."""
    return "\n".join(f"{name:<22}{PRESET_HELP[name]}" for name in (*PRESETS, *OLD_PRESETS))


def _groups(options: Iterable[Option], side: str | None) -> Iterator[str]:
    group = ""
    for option in options:
        if option.group != group:
            group = option.group
            yield f"\n{group}"
        flags = ", ".join(f"-{flag}" for flag in option.flags)
        placeholder = option.metavar or ("" if option.kind is Kind.BOOLEAN else "N")
        yield from _entry(f"{flags} {placeholder}".rstrip(), option, side)


def _entry(title: str, option: Option, side: str | None) -> Iterator[str]:
    """One option: its title in the left column, help, values and default in the right."""
    facts = "; ".join(_facts(option, side))
    text = f"{option.help} [{facts}]" if facts else option.help
    head = f"  {title}"
    if len(head) >= _COLUMN:
        yield head
        head = ""
    for line in textwrap.wrap(text, _WIDTH - _COLUMN, break_on_hyphens=False):
        yield f"{head:<{_COLUMN}}{line}"
        head = ""


def _facts(option: Option, side: str | None) -> Iterator[str]:
    if option.choices:
        yield values_text(option)
    elif option.range_text:
        yield option.range_text
    if side is None and len(option.defaults) == 1:
        yield f"{next(iter(option.defaults))} only"
    yield from _defaults(option, side)


def _defaults(option: Option, side: str | None) -> list[str]:
    """What it is when not set, unless that goes without saying."""
    sides = [side] if side else list(option.defaults)
    texts = {text: name for name in sides if (text := default_text(option, name)) not in _PLAIN}
    if len(texts) > 1:
        return [f"default {text} for a {name}" for text, name in texts.items()]
    return [text if text == "required" else f"default {text}" for text in texts]


def _modes() -> Iterator[str]:
    yield "\nModes, which override these four wherever they were set"
    yield f"  {AUTO:<8}overrides these, both windows and both shards: nothing has to be set"
    for name, (nodelay, interval, resend, nc) in MODES.items():
        yield f"  {name:<8}nodelay {nodelay}  interval {interval}  resend {resend}  nc {nc}"


_KCPTUN_RULES = """\
Flags take one or two dashes and the value after a space or "=": -mode fast3, --mode=fast3. A
switch stands alone or takes =true or =false. The keys of a JSON file (-c) are the names of the
flags in any letter case, and override the command line."""

_BLINKSOCKS_HEAD = """\
blinksocks: proxies in, disguised and encrypted streams out; and the server that takes them

usage: blinksocks -c FILE        run what the file describes: a client if it has "server"
       blinksocks FILE.json      the same
       blinksocks init           write a pair of files here (blinksocks init --help)
       blinksocks --list-presets
       blinksocks -h | -v

The file is one JSON object with these keys. The forms of 2.x ("servers", host and port) are read
as well."""

_BLINKSOCKS_EXAMPLE = """\
example of a client's file:
  {
    "service": "socks5://127.0.0.1:1080",
    "server": {
      "service": "tcp://example.com:7000",
      "key": "SECRET",
      "presets": [{"name": "ss-base"}, {"name": "ss-aead-cipher"}]
    }
  }"""
