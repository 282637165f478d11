"""Command lines as Go's flag package reads them.

``-x v``, ``--x v``, ``-x=v``; a boolean stands alone or takes ``=true``. Go stops at the first
argument that is no flag and drops it with all that follow: ``-nocomp true -mtu 1200`` sets no mtu.
Scripts that work with the Go program have such left-overs, so they are dropped here too, with a
warning; they are refused if they hold an address, a secret or a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blinktun.config.explain import COMMAND_LINE, Origin, shown, suggestion
from blinktun.config.options import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from blinktun.config.options import Option


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag as it was given.

    Attributes:
        name: Without dashes, perhaps an alias.
        text: Its value; None for a boolean alone.
    """

    name: str
    text: str | None


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command line, cut into pieces.

    Attributes:
        flags: In their order.
        warnings: About what was dropped.
    """

    flags: tuple[Flag, ...] = ()
    warnings: tuple[str, ...] = ()


def split_flags(arguments: Sequence[str], known: Mapping[str, Option]) -> CommandLine:
    """Cut a command line into flags; ``known`` is by flag name.

    Raises:
        ConfigError: an unknown flag, a missing value, or a left-over that has to mean something.
    """
    if arguments and arguments[0] in _WORDS:
        return CommandLine((Flag(_WORDS[arguments[0]], None),))
    flags: list[Flag] = []
    rest = list(arguments)
    while rest and (found := _FLAG.fullmatch(rest[0])):
        del rest[0]
        flags.append(_next_flag(found, rest, known))
    if rest and rest[0] == "--":
        del rest[0]
    elif rest and len(rest[0]) > 1 and rest[0].startswith("-"):
        fix = "write -name value or -name=value"
        raise Origin(COMMAND_LINE).error("something that begins with a dash is no flag", fix=fix)
    return CommandLine(tuple(flags), tuple(_left_over(rest, flags, known)))


def flag_value(option: Option, flag: Flag) -> tuple[object, Origin]:
    """A flag's value in the option's type, and its origin for errors.

    Raises:
        ConfigError: the text does not fit the type.
    """
    if flag.text is None:
        return True, Origin(COMMAND_LINE, f"-{flag.name}")
    origin = Origin(COMMAND_LINE, f"-{flag.name}", shown(flag.text, secret=option.secret))
    value = value_of_text(option, flag.text, origin)
    if option.kind is Kind.TEXT:
        return value, origin
    return value, Origin(COMMAND_LINE, f"-{flag.name}", shown(value))


def value_of_text(option: Option, text: str, origin: Origin) -> str | int | bool | list[int]:
    """A text in the type of its option, as Go's flags are read.

    Raises:
        ConfigError: the text does not fit the type.
    """
    if option.kind is Kind.TEXT:
        return text
    value: bool | int | list[int] | None
    match option.kind:
        case Kind.BOOLEAN:
            value = _boolean(text)
        case Kind.PORTS:
            value = _boolean(text) if _boolean(text) is not None else _integers(text)
        case _:
            value = _integer(text)
    if value is None:
        raise origin.error(f"is not {option.kind.value}", fix=option.accepts())
    return value


def _next_flag(found: re.Match[str], rest: list[str], known: Mapping[str, Option]) -> Flag:
    name, text = found["name"], found["text"]
    option = known.get(name)
    if option is None:
        fix = suggestion(f"-{name}", [f"-{flag}" for flag in known])
        raise Origin(COMMAND_LINE, f"-{name}").error("there is no such flag", fix=fix)
    if text is None and option.kind not in {Kind.BOOLEAN, Kind.PORTS}:
        if not rest:
            raise Origin(COMMAND_LINE, f"-{name}").error("needs a value", fix=option.accepts())
        text = rest.pop(0)
    return Flag(name, text)


def _left_over(
    rest: Sequence[str], before: Sequence[Flag], known: Mapping[str, Option]
) -> Iterator[str]:
    """A warning about what follows the last flag; it may be a secret, so only names are shown.

    Raises:
        ConfigError: it holds something without which another program would run.
    """
    if not rest:
        return
    names = [found["name"] for argument in rest if (found := _FLAG.fullmatch(argument))]
    after = f" after -{before[-1].name}" if before else ""
    switch = before[-1].name if before and before[-1].text is None else ""
    if files := [argument for argument in rest if argument.endswith(".json")]:
        origin = Origin(COMMAND_LINE, shown=shown(files[0]))
        raise origin.error("is no flag", fix=f"write -c {files[0]}")
    vital = next((name for name in names if known.get(name) in _vital(known)), None)
    fix = f"write -{switch}=true" if switch else "quote a value that has spaces"
    if vital:
        problem = f"comes behind something{after} that is no flag, so kcptun never reads it"
        raise Origin(COMMAND_LINE, f"-{vital}").error(problem, fix=fix)
    if switch:
        advice = f"-{switch} is on; write -{switch}=true or -{switch}=false"
    else:
        advice = "write -name value, and quote a value that has spaces"
    dropped = f", and so are -{', -'.join(names)}" if names else ""
    yield f"what follows{after} is no flag and is ignored, as in kcptun{dropped}: {advice}"


def _vital(known: Mapping[str, Option]) -> list[Option]:
    """Options that decide which peers the program talks to and who can read it."""
    return [option for option in known.values() if option.group in _VITAL_GROUPS]


def _boolean(text: str) -> bool | None:
    return _BOOLEANS.get(text)


def _integers(text: str) -> list[int] | None:
    """A list of numbers with commas; None if it is none."""
    numbers = [_integer(part) for part in text.split(",")]
    known = [number for number in numbers if number is not None]
    return known if len(known) == len(numbers) else None


def _integer(text: str) -> int | None:
    """An integer as Go's ParseInt with base 0 reads it: also 0x1f, 0o17, 017, 0b1 and 1_000."""
    if not _INTEGER.fullmatch(text):
        return None
    octal = _OLD_OCTAL.fullmatch(text)
    try:
        return int(text, 8 if octal else 0)
    except ValueError:
        return None


_WORDS: Mapping[str, str] = {"help": "help", "h": "help", "version": "version"}
"""What may stand in place of all flags; the last is of our own."""
_VITAL_GROUPS = frozenset({"Addresses", "Secret and cipher", "Program"})
_FLAG = re.compile(r"--?(?P<name>[^-=][^=]*)(?:=(?P<text>.*))?", re.DOTALL)
_INTEGER = re.compile(r"[+-]?[0-9][0-9a-fA-FxXoO_]{0,30}", re.ASCII)
_OLD_OCTAL = re.compile(r"[+-]?0[0-7_]+", re.ASCII)
_BOOLEANS: Mapping[str, bool] = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
