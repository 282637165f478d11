"""An option and what it accepts: the one source of flags, files, help, pages and errors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

from blinktun.config.explain import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blinktun.config.explain import Origin

CLIENT = "client"
SERVER = "server"

INT_MAX = 2**31 - 1
"""The largest number that every build of the originals can hold."""


class Kind(Enum):
    """What sort of value an option takes; the text is what an error calls it."""

    TEXT = "a string"
    INTEGER = "an integer"
    NUMBER = "a number"
    BOOLEAN = "true or false"
    LIST = "a list"
    PORTS = "true, false, or a list of ports (1..65535)"
    OBJECT = "an object"


@dataclass(frozen=True, slots=True)
class Option:
    """One setting.

    Attributes:
        name: The name it goes by; a flag's name, or the key in the file.
        kind: The type of its value.
        help: One line, without a full stop.
        defaults: Value per side (``client``, ``server``); a side that is not here lacks the option.
            None: nothing is set unless its user sets it.
        group: The heading it stands under.
        aliases: Other flag names.
        key: The key in a file if it differs from the name; empty: not allowed in a file.
        metavar: What stands for the value in the help.
        unit: Unit of a number.
        low: Smallest number.
        high: Largest number.
        choices: The only values there are, if there are only some.
        otherwise: What the original does with any other value.
        example: What to write, for errors about a missing or malformed value.
        since: The release of the original that brought it; empty: always there.
        secret: Never shown.
        required: There is no default.
    """

    name: str
    kind: Kind
    help: str
    defaults: Mapping[str, object]
    group: str = ""
    aliases: tuple[str, ...] = ()
    key: str | None = None
    metavar: str = ""
    unit: str = ""
    low: int | None = None
    high: int | None = None
    choices: tuple[str, ...] = ()
    otherwise: str = ""
    example: str = ""
    since: str = ""
    secret: bool = False
    required: bool = False

    @property
    def json_key(self) -> str:
        """The key in a file; empty if a file cannot have it."""
        return self.name if self.key is None else self.key

    @property
    def flags(self) -> tuple[str, ...]:
        """Every flag name, without dashes."""
        return (self.name, *self.aliases)

    def check(self, value: object, origin: Origin) -> None:
        """Refuse a value of the wrong type, out of range or unknown.

        Raises:
            ConfigError: the value cannot be used.
        """
        if not _is_kind(self.kind, value):
            raise origin.error(f"is not {self.kind.value}", fix=self.accepts())
        if self.choices and value not in self.choices:
            problem = f"is unknown{self.otherwise and ', and '}{self.otherwise}"
            raise origin.error(problem, fix=suggestion(str(value), self.choices))
        if isinstance(value, int | float) and not self._in_range(value):
            raise origin.error("is out of range", fix=self.accepts())
        if isinstance(value, str) and not _is_printable(value, secret=self.secret):
            raise origin.error("has characters that cannot be printed", fix=self.accepts())

    def accepts(self) -> str:
        """What to write, as an instruction."""
        if self.choices:
            return f"write one of {', '.join(self.choices)}"
        if self.range_text:
            return f"write {self.kind.value}, {self.range_text}"
        example = f", for example {self.example}" if self.example else ""
        return f"write {self.kind.value}{example}"

    @property
    def range_text(self) -> str:
        """``1..30 seconds``, ``at least 1 bytes`` or nothing."""
        if self.low is None:
            return ""
        bounded = self.high not in {None, INT_MAX}
        text = f"{self.low}..{self.high}" if bounded else f"at least {self.low}"
        return f"{text} {self.unit}".rstrip()

    def accepts_value(self, value: object) -> bool:
        """Whether a value has the right type and, if it is a number, is within the bounds."""
        if not _is_kind(self.kind, value):
            return False
        return not isinstance(value, int | float) or self._in_range(value)

    def _in_range(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


def both(value: object) -> Mapping[str, object]:
    """The same default on both sides."""
    return MappingProxyType({CLIENT: value, SERVER: value})


def only(side: str, value: object) -> Mapping[str, object]:
    """A default on one side; the other has no such option."""
    return MappingProxyType({side: value})


def sides(*, client: object, server: object) -> Mapping[str, object]:
    """Different defaults."""
    return MappingProxyType({CLIENT: client, SERVER: server})


def by_flag(options: Iterable[Option], side: str | None = None) -> dict[str, Option]:
    """Options by every flag name they have, of one side or of both."""
    return {
        flag: option
        for option in options
        if side is None or side in option.defaults
        for flag in option.flags
    }


def by_key(options: Iterable[Option]) -> dict[str, Option]:
    """Options by their key in a file."""
    return {option.json_key: option for option in options if option.json_key}


def _is_kind(kind: Kind, value: object) -> bool:
    if isinstance(value, bool):
        return kind in {Kind.BOOLEAN, Kind.PORTS}
    if kind is Kind.PORTS:
        return isinstance(value, list) and 0 < len(value) <= _PORTS and all(map(_is_port, value))
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(value, _TYPES[kind])


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 16


def _is_printable(value: str, *, secret: bool) -> bool:
    if secret:  # any text, but nothing that UTF-8 cannot carry
        return not any("\ud800" <= character <= "\udfff" for character in value)
    return value.isprintable()


_PORTS = 1024
"""The longest list of ports."""

_TYPES: Mapping[Kind, type | tuple[type, ...]] = {
    Kind.TEXT: str,
    Kind.INTEGER: int,
    Kind.NUMBER: (int, float),
    Kind.BOOLEAN: bool,
    Kind.LIST: list,
    Kind.OBJECT: dict,
}
