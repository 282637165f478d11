"""``blinktun``: everything in one command."""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from blinktun.cli import pair
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
        usage: All that may follow its name, if that is too long for the list of commands.
        more: What is behind that, and is only made when somebody reads it.
    """

    obey: Callable[[Sequence[str]], int]
    arguments: str
    summary: str
    help: str = ""
    usage: str = ""
    more: Callable[[], str] | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Obey one subcommand; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    word = arguments[0] if arguments else "help"
    try:
        name = _SHORT.get(word, word)
        if name not in COMMANDS:
            fix = suggestion(word, COMMANDS, what="commands")
            raise Origin(COMMAND_LINE).error(f"{shown(word)} is no command", fix=fix)
        if {"-h", "--help"} & set(itertools.takewhile("--".__ne__, arguments[1:])):
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


def init(arguments: Sequence[str]) -> int:
    """``blinktun init [SERVER]``."""
    return pair.main(arguments)


def demo(arguments: Sequence[str]) -> int:
    """``blinktun demo``."""
    from blinktun.cli import demo as command

    return command.main(arguments)


def try_link(arguments: Sequence[str]) -> int:
    """``blinktun lab LINK [key=value ...] [-- COMMAND ...]``."""
    from blinktun.cli import lab as command

    return command.main(arguments)


def links() -> str:
    """How links are described."""
    from blinktun.cli import lab as command

    return command.keys_and_links()


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
    lines = [f"  {f'{name} {each.arguments}':<23}{each.summary}" for name, each in COMMANDS.items()]
    return "\n".join((*_HEAD, *(line.rstrip() for line in lines), *_TAIL))


def _page(name: str) -> str:
    command = COMMANDS[name]
    usage = f"usage: blinktun {name} {command.usage or command.arguments}".rstrip()
    text = f"\n\n{command.help}" if command.help else ""
    text += f"\n\n{command.more()}" if command.more else ""
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
        "init": Command(
            init,
            "[--kcp] [SERVER]",
            "write the files of a new client and server, with new keys and nothing to tune",
            pair.HELP,
        ),
        "demo": Command(
            demo,
            "[--once]",
            "show a tunnel at work on this machine",
            """\
All four roles run in one process, with a web server behind them.

  --once    end after the first download; without it the demo stays up until Ctrl-C""",
        ),
        "lab": Command(
            try_link,
            "LINK...",
            "try programs on a bad link between two hosts on this machine (Linux, root)",
            """\
Makes two hosts (network namespaces), client 10.77.0.1 and server 10.77.0.2, and a link between
them, and removes them at the end. Without COMMAND it says how to run programs on them, and stays up
until Ctrl-C. With COMMAND it runs that on the client and ends with its status; the variables
LAB_CLIENT and LAB_SERVER name the two namespaces then. Several labs may run at the same time.

  --server  run COMMAND on the server
  --json    print at the end as JSON what the link has carried and lost

Status 1 if something is missing (root, iproute2, /dev/net/tun), 2 for a wrong description.

example: blinktun lab dsl loss=2% -- ping -c 5 10.77.0.2
example: blinktun lab down=20mbit up=4mbit delay=20ms queue=400ms loss=1% burst=4 mtu=1280 icmp=no

LINK is one of these names, or nothing. A later word overrides an earlier one. Keys are about both
directions, with -up about packets to the server alone, with -down about those to the client
(loss-up=2%). A value with a time in front holds from then on (loss=30s:5%).""",
            "LINK [KEY=VALUE]... [--client | --server] [--json] [-- COMMAND [ARGUMENT]...]",
            links,
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
