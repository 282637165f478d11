"""``blinktun``: everything in one command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from blinktun.cli.check import describe
from blinktun.cli.common import fail, launch, say, version
from blinktun.cli.help import BLINKTUN_HELP
from blinktun.config.explain import Origin, suggestion
from blinktun.config.flags import COMMAND_LINE
from blinktun.config.load import load
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Obey one subcommand; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments[0] if arguments else "help"
    try:
        if name not in _COMMANDS:
            fix = suggestion(name, list(_COMMANDS)[:5], what="commands")
            raise Origin(COMMAND_LINE).error("argument 1 is no command", fix=fix)
        return _COMMANDS[name](arguments[1:])
    except ConfigError as error:
        return fail("blinktun", error)


def run(arguments: Sequence[str]) -> int:
    """``blinktun run FILE...``."""
    if _asks_for_help(arguments):
        return show_help(arguments)
    return launch([load(path) for path in _files("run", arguments)])


def check(arguments: Sequence[str]) -> int:
    """``blinktun check FILE...``: every file is looked at, whatever the one before was."""
    if _asks_for_help(arguments):
        return show_help(arguments)
    from blinktun.app import make_role

    status = 0
    for path in _files("check", arguments):
        try:
            config = load(path)
            make_role(config)  # the parameters of presets are looked at here
            print(describe(config))
        except ConfigError as error:
            status = fail("blinktun", error)
    return status


def demo(arguments: Sequence[str]) -> int:
    """``blinktun demo``."""
    from blinktun.cli import demo as command

    return command.main(arguments)


def show_version(_arguments: Sequence[str]) -> int:
    """``blinktun version``."""
    return say(version())


def show_help(_arguments: Sequence[str]) -> int:
    """``blinktun help``."""
    return say(BLINKTUN_HELP.rstrip("\n"))


def _files(command: str, arguments: Sequence[str]) -> Sequence[str]:
    """The arguments, all of which have to be files."""
    origin = Origin(COMMAND_LINE, command)
    if not arguments:
        raise origin.error("names no file", fix=f"write blinktun {command} FILE...")
    if any(argument.startswith("-") for argument in arguments):
        raise origin.error("takes files alone, no flags", fix=f"write blinktun {command} FILE...")
    return arguments


def _asks_for_help(arguments: Sequence[str]) -> bool:
    return bool({"-h", "--help"} & set(arguments))


_COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "run": run,
    "check": check,
    "demo": demo,
    "version": show_version,
    "help": show_help,
    "-h": show_help,
    "--help": show_help,
    "-v": show_version,
    "--version": show_version,
}
