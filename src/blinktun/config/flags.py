"""Command lines as Go's flag package reads them.

``-x v``, ``--x v``, ``-x=v``; a boolean stands alone or takes ``=true``. Unlike Go we refuse what
is left over, for ``-nocomp true`` would silently drop every flag after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blinktun.config.explain import Origin, shown, suggestion
from blinktun.config.options import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blinktun.config.options import Option

COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag as it was given.

    Attributes:
        name: Without dashes, perhaps an alias.
        text: Its value; None for a boolean alone.
    """

    name: str
    text: str | None


def split_flags(arguments: Sequence[str], known: Mapping[str, Option]) -> tuple[Flag, ...]:
    """Cut a command line into flags; ``known`` is by flag name.

    Raises:
        ConfigError: an unknown flag, a missing value, or something that is no flag.
    """
    flags: list[Flag] = []
    rest = list(arguments)
    while rest and rest[0] != "--":
        flags.append(_next_flag(rest, known, flags))
    if rest[1:]:
        raise _left_over(rest[1], flags)
    return tuple(flags)


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


def value_of_text(option: Option, text: str, origin: Origin) -> str | int | bool:
    """A text in the type of its option, as Go's flags are read.

    Raises:
        ConfigError: the text does not fit the type.
    """
    if option.kind is Kind.TEXT:
        return text
    value = _boolean(text) if option.kind is Kind.BOOLEAN else _integer(text)
    if value is None:
        raise origin.error(f"is not {option.kind.value}", fix=option.accepts())
    return value


def _next_flag(rest: list[str], known: Mapping[str, Option], before: Sequence[Flag]) -> Flag:
    argument = rest.pop(0)
    found = _FLAG.fullmatch(argument)
    if not found:
        raise _left_over(argument, before)
    name, text = found["name"], found["text"]
    option = known.get(name)
    if option is None:
        fix = suggestion(f"-{name}", [f"-{flag}" for flag in known])
        raise Origin(COMMAND_LINE, f"-{name}").error("there is no such flag", fix=fix)
    if text is None and option.kind is not Kind.BOOLEAN:
        if not rest:
            raise Origin(COMMAND_LINE, f"-{name}").error("needs a value", fix=option.accepts())
        text = rest.pop(0)
    return Flag(name, text)


def _left_over(argument: str, before: Sequence[Flag]) -> Exception:
    """The error about an argument that is no flag; it may be a secret, so only a file is shown."""
    if before and before[-1].text is None:
        name = before[-1].name
        problem = "is a switch, and what follows it is no flag"
        return Origin(COMMAND_LINE, f"-{name}").error(
            problem, fix=f"write -{name}=false or -{name}"
        )
    if argument.endswith(".json"):
        origin = Origin(COMMAND_LINE, shown=shown(argument))
        return origin.error("is no flag", fix=f"write -c {argument}")
    after = f"after -{before[-1].name} " if before else ""
    problem = f"something {after}is no flag"
    return Origin(COMMAND_LINE).error(
        problem, fix="write -name value, and quote a value with spaces"
    )


def _boolean(text: str) -> bool | None:
    return _BOOLEANS.get(text)


def _integer(text: str) -> int | None:
    """An integer as Go's ParseInt with base 0 reads it: also 0x1f, 0o17, 017, 0b1 and 1_000."""
    if not _INTEGER.fullmatch(text):
        return None
    octal = _OLD_OCTAL.fullmatch(text)
    try:
        return int(text, 8 if octal else 0)
    except ValueError:
        return None


_FLAG = re.compile(r"--?(?P<name>[^-=][^=]*)(?:=(?P<text>.*))?", re.DOTALL)
_INTEGER = re.compile(r"[+-]?[0-9][0-9a-fA-FxXoO_]{0,30}", re.ASCII)
_OLD_OCTAL = re.compile(r"[+-]?0[0-7_]+", re.ASCII)
_BOOLEANS: Mapping[str, bool] = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
