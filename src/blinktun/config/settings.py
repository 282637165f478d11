"""What was given for one side's options, over their defaults, and where each value was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from blinktun.config.explain import COMMAND_LINE, Origin, pass_over, shown
from blinktun.config.options import Kind, by_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from blinktun.config.options import Option
    from blinktun.errors import ConfigError

_MAY_HOLD_SECRETS = frozenset({Kind.LIST, Kind.OBJECT})
"""Where these belong, a string is perhaps the key in the wrong place."""


class Settings:
    """Checked values by option name.

    Args:
        options: What may be set.
        side: ``client`` or ``server``.
        source: Where values are written, for errors.
        prefix: What stands in front of their keys.
        taken_for: What the original makes of an option's value that is not accepted (None: nothing
            that we could do); without it all such values are errors.

    Attributes:
        side: ``client`` or ``server``.
        warnings: What was read and has no effect, or not the effect that it names.
        advice: What could be better.
    """

    def __init__(
        self,
        options: Iterable[Option],
        side: str,
        *,
        source: str,
        prefix: str = "",
        taken_for: Callable[[str, object], object | None] | None = None,
    ) -> None:
        self._options = tuple(options)
        self._by_name = {option.name: option for option in self._options}
        self._given: dict[str, tuple[object, Origin]] = {}
        self._source = source
        self._prefix = prefix
        self._taken_for = taken_for
        self.side = side
        self.warnings: list[str] = []
        self.advice: list[str] = []

    def put(self, option: Option, value: object, origin: Origin) -> None:
        """Set a value, replacing an earlier one.

        Raises:
            ConfigError: the option does not accept it.
        """
        value = self._tolerated(option, value, origin)
        option.check(value, origin)
        self._given[option.name] = (value, origin)

    def _tolerated(self, option: Option, value: object, origin: Origin) -> object:
        """The value, or what the original takes it for, which a warning says."""
        if self._taken_for is None or option.accepts_value(value):
            return value
        taken = self._taken_for(option.name, value)
        if taken is None:
            return value
        as_there = f"counts as {shown(taken)}, as in the original"
        given = origin.shown or shown(value)
        self.warnings.append(f"{origin.key} = {given} {as_there}: {option.accepts()}")
        return taken

    def read(self, values: Mapping[str, object], *, any_case: bool = False) -> None:
        """Take the keys of an object out of a file, replacing what was set before.

        A key of the other side only, or of nothing, is named in `warnings`. With ``any_case`` keys
        match as in Go: whatever their case, and null leaves an option as it is.

        Raises:
            ConfigError: a key is misspelt or its value is not accepted.
        """
        known = by_key(self._options)
        lookup = {key.casefold(): option for key, option in known.items()} if any_case else known
        read: dict[str, str] = {}
        for name, value in values.items():
            if other := read.get(name.casefold()) if any_case else None:
                self.warnings.append(f"{other} and {name} are one key: the last one counts")
            read[name.casefold()] = name
            option = lookup.get(name.casefold() if any_case else name)
            if option is None:
                self._pass_over(name, known)
            elif self.side not in option.defaults:
                self.warnings.append(f"{self._prefix}{name} has no effect on a {self.side}")
            elif not (any_case and value is None):
                text = shown(value, secret=option.secret or option.kind in _MAY_HOLD_SECRETS)
                self.put(option, value, Origin(self._source, f"{self._prefix}{name}", text))

    def _pass_over(self, name: str, known: Mapping[str, Option]) -> None:
        """Warn of a key that nothing reads.

        Raises:
            ConfigError: it was meant to be read.
        """
        option = next((o for o in self._options if name.casefold() in o.aliases), None)
        if option and option.json_key:
            fix = f"write {option.json_key}, as a file has no short names"
            raise Origin(self._source, f"{self._prefix}{name}").error("is a flag", fix=fix)
        warning = pass_over(name, known, source=self._source, prefix=self._prefix)
        if warning:
            self.warnings.append(warning)

    @property
    def is_tolerant(self) -> bool:
        """Whether values that are not accepted are taken as the original takes them."""
        return self._taken_for is not None

    def given(self, name: str) -> bool:
        """Whether a value was set rather than defaulted."""
        return name in self._given

    def value(self, name: str) -> object:
        """The value set, or the default.

        Raises:
            ConfigError: it is required and was not set.
        """
        if name in self._given:
            return self._given[name][0]
        option = self._by_name[name]
        if option.required:
            raise self.error(name, "is missing", fix=option.accepts())
        return option.defaults[self.side]

    def text(self, name: str) -> str:
        """A string option."""
        return cast("str", self.value(name))

    def integer(self, name: str) -> int:
        """An integer option."""
        return cast("int", self.value(name))

    def number(self, name: str) -> float:
        """A number option."""
        return float(cast("float", self.value(name)))

    def boolean(self, name: str) -> bool:
        """A boolean option."""
        return self.value(name) is True

    def ports(self, name: str) -> tuple[int, ...] | None:
        """An option of kind PORTS: None for false, no ports for true."""
        value = self.value(name)
        if isinstance(value, list):
            return tuple(dict.fromkeys(value))
        return () if value is True else None

    def origin(self, key: str, value: object = None) -> Origin:
        """Where something inside these settings was written."""
        return Origin(self._source, f"{self._prefix}{key}", "" if value is None else shown(value))

    def source_of(self, name: str) -> str | None:
        """The file in which an option was set; None: it was set elsewhere, or is the default."""
        source = self._given[name][1].source if name in self._given else ""
        return self._source if source == self._source and source != COMMAND_LINE else None

    def error(self, name: str, problem: str, *, fix: str) -> ConfigError:
        """The error about an option's value, wherever that came from."""
        if name in self._given:
            return self._given[name][1].error(problem, fix=fix)
        option = self._by_name[name]
        default = option.defaults.get(self.side)
        text = "" if default is None else f"{shown(default, secret=option.secret)} (the default)"
        key = f"{self._prefix}{option.json_key or name}"
        return Origin(self._source, key, text).error(problem, fix=fix)
