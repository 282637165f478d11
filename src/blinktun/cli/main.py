"""``blinktun``: everything in one command."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from blinktun.cli.check import check_all
from blinktun.cli.common import fail, launch, say, version
from blinktun.config.explain import COMMAND_LINE, Origin, shown, suggestion
from blinktun.config.load import load
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand.

    Attributes:
        obey: Takes its arguments and returns the exit status.
        arguments: What may follow its name.
        summary: One line.
        help: What its own page says besides.
    """

    obey: Callable[[Sequence[str]], int]
    arguments: str
    summary: str
    help: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Obey one subcommand; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    word = arguments[0] if arguments else "help"
    try:
        name = _SHORT.get(word, word)
        if name not in COMMANDS:
            fix = suggestion(word, COMMANDS, what="commands")
            raise Origin(COMMAND_LINE).error(f"{shown(word)} is no command", fix=fix)
        if {"-h", "--help"} & set(arguments[1:]):
            return say(_page(name))
        return COMMANDS[name].obey(arguments[1:])
    except ConfigError as error:
        return fail("blinktun", error)


def run(arguments: Sequence[str]) -> int:
    """``blinktun run FILE...``."""
    return launch([load(path) for path in _files("run", arguments)])


def check(arguments: Sequence[str]) -> int:
    """``blinktun check FILE...``."""
    return check_all(_files("check", arguments))


def demo(arguments: Sequence[str]) -> int:
    """``blinktun demo``."""
    from blinktun.cli import demo as command

    return command.main(arguments)


def show_version(_arguments: Sequence[str]) -> int:
    """``blinktun version``."""
    return say(f"blinktun {version()}")


def show_help(arguments: Sequence[str]) -> int:
    """``blinktun help [COMMAND]``."""
    return say(_page(arguments[0]) if arguments and arguments[0] in COMMANDS else _overview())


def _files(command: str, arguments: Sequence[str]) -> Sequence[str]:
    """The arguments, all of which have to be files."""
    origin = Origin(COMMAND_LINE, command)
    if not arguments:
        raise origin.error("names no file", fix=f"write blinktun {command} FILE...")
    if any(argument.startswith("-") for argument in arguments):
        raise origin.error("takes files alone, no flags", fix=f"write blinktun {command} FILE...")
    return arguments


def _overview() -> str:
    lines = [f"  {f'{name} {each.arguments}':<17}{each.summary}" for name, each in COMMANDS.items()]
    return "\n".join((*_HEAD, *(line.rstrip() for line in lines), *_TAIL))


def _page(name: str) -> str:
    command = COMMANDS[name]
    usage = f"usage: blinktun {name} {command.arguments}".rstrip()
    text = f"\n\n{command.help}" if command.help else ""
    return f"blinktun {name}: {command.summary}\n\n{usage}{text}"


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "run": Command(
            run,
            "FILE...",
            "run every role that the files describe, kcptun's and blinksocks', in one process",
            """\
Each file is one role: a kcptun client or server, or a blinksocks client or server; its keys tell
which. Roles that meet (a blinksocks client and the kcptun client that it connects to) are joined
in memory. SIGTERM or Ctrl-C stops accepting and gives connections time to end; a second one ends
them at once. Status 0 after a signal, 1 if an address cannot be used, 2 for a wrong file.

example: blinktun run blinksocks.client.json kcptun.client.json""",
        ),
        "check": Command(
            check,
            "FILE...",
            "say what the files mean and what is weak, without running anything",
            """\
Nothing listens and nothing is connected to. A file may name a preset of your own, which is Python:
it is imported, as by run, so check only files that you trust. Files of both ends are compared:
settings that must be equal and are not are named. Status 0 if all can be used, 2 if one cannot, or
if two ends will not understand each other.

example: blinktun check kcptun.client.json kcptun.server.json""",
        ),
        "demo": Command(
            demo,
            "[--once]",
            "show a tunnel at work on this machine",
            """\
All four roles run in one process, with a web server behind them.

  --once    end after the first download; without it the demo stays up until Ctrl-C""",
        ),
        "version": Command(show_version, "", "show the version"),
        "help": Command(show_help, "[COMMAND]", "show this, or the page of a command; so does -h"),
    }
)
_SHORT: Mapping[str, str] = MappingProxyType(
    {"-h": "help", "--help": "help", "-v": "version", "--version": "version"}
)
_HEAD = (
    "blinktun: TCP streams over lossy networks, kcptun and blinksocks in one program",
    "",
    "usage: blinktun COMMAND [ARGUMENT]...",
    "",
    "Commands",
)
_TAIL = (
    "",
    "The programs kcptun-client, kcptun-server, kcptun and blinksocks take the arguments and files",
    "of the originals. A configuration that cannot be used ends with status 2 and one line that",
    "says what to write instead.",
    "",
    "example: blinktun run blinksocks.client.json kcptun.client.json",
)
