"""``blinksocks``: the arguments of the original, which looks for them in a fixed order."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from blinktun.cli import init
from blinktun.cli.common import fail, launch, say, version
from blinktun.cli.help import blinksocks_help, preset_list
from blinktun.config.explain import COMMAND_LINE, Origin, shown, suggestion
from blinktun.config.kinds import BLINKSOCKS
from blinktun.config.load import load
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME = re.compile(r"-{0,2}[a-z][a-z-]{0,20}")
"""What can be a mistyped word; anything else may be a secret and is not shown."""
_KNOWN = ("-c", "--config", "-h", "--help", "-v", "--version", "--list-presets", "init")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the client or server that a file describes; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _obey(arguments)
    except ConfigError as error:
        return fail("blinksocks", error)


def _obey(arguments: list[str]) -> int:
    """The first condition that holds decides (blinksocks, section 1)."""
    first = arguments[0] if arguments else ""
    if first.endswith(".json") and Path(first).exists():
        return _run(first)
    if first == "init":
        return say(init.HELP) if _wants_help(arguments) else init.main(arguments[1:])
    if (text := _asked_for(arguments)) is not None:
        return say(text)
    path = _config_path(arguments)
    if path is not None:
        return _run(path)
    if "--list-presets" in arguments:
        return say(preset_list())
    if first.endswith(".json"):
        return _run(first)  # which says why it cannot be read
    fix = suggestion(first.partition("=")[0], _KNOWN)
    word = shown(first) if _NAME.fullmatch(first) else "argument 1"
    raise Origin(COMMAND_LINE).error(f"{word} is not known", fix=fix)


def _wants_help(arguments: Sequence[str]) -> bool:
    return bool({"-h", "--help"} & set(arguments))


def _asked_for(arguments: Sequence[str]) -> str | None:
    """The help or the version, if that is wanted."""
    if not arguments or _wants_help(arguments):
        return blinksocks_help()
    return f"blinksocks (blinktun) {version()}" if {"-v", "--version"} & set(arguments) else None


def _run(path: str) -> int:
    return launch([load(path, program=BLINKSOCKS)])


def _config_path(arguments: Sequence[str]) -> str | None:
    """What follows ``-c`` or ``--config``, after a space or ``=``; None if neither is there."""
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name not in {"-c", "--config"}:
            continue
        given = value if equals else next(iter(arguments[position + 1 :]), "")
        if not given:
            raise Origin(COMMAND_LINE, name).error("needs a file", fix=f"write {name} FILE.json")
        return given
    return None
