"""Errors that say where, what and how to put it right; secrets never appear in them."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "(hidden)"
_SHOWN_LENGTH = 60
_FEW = 20


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written, and how it may be shown.

    Attributes:
        source: A file name, ``command line`` or an environment variable.
        key: The name that its user wrote: ``server.presets[0].name``, ``-mode``.
        shown: The value, fit to print; empty if nothing was given or nothing may be shown.
    """

    source: str
    key: str = ""
    shown: str = ""

    def error(self, problem: str, *, fix: str) -> ConfigError:
        """The error about this value."""
        return ConfigError(problem, fix=fix, source=self.source, key=self.key, value=self.shown)


def shown(value: object, *, secret: bool = False) -> str:
    """A value as its user would recognise it: JSON for scalars, only the type for containers."""
    if isinstance(value, dict):
        return "{...}"
    if isinstance(value, list):
        return "[...]"
    if secret:
        return HIDDEN
    if isinstance(value, str):
        value = _without_credentials(value)
    return _one_line(json.dumps(value, ensure_ascii=False))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that ``word`` was most likely meant to be, whatever its letter case."""
    by_fold = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), list(by_fold), n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def suggestion(word: str, known: Iterable[str], *, what: str = "known") -> str:
    """The fix for a name that does not exist: the nearest one, else all of them."""
    names = list(known)
    close = nearest(word, names)
    listed = f"{what}: {', '.join(names)}"
    if close is None:
        return listed
    return f"did you mean {close}?" + (f" ({listed})" if len(names) <= _FEW else "")


def unknown_key(name: str, known: Iterable[str], *, source: str, prefix: str = "") -> ConfigError:
    """A key that means nothing; its value is not shown, for it may be a misspelt secret."""
    origin = Origin(source, f"{prefix}{_one_line(name)}")
    return origin.error("there is no such key", fix=suggestion(name, known))


def _one_line(text: str) -> str:
    """Short, and without anything that a terminal would obey."""
    if len(text) > _SHOWN_LENGTH:
        text = text[:_SHOWN_LENGTH] + "..."
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _without_credentials(text: str) -> str:
    scheme, mark, rest = text.partition("://")
    userinfo, at, host = rest.rpartition("@")
    return f"{scheme}://{HIDDEN}@{host}" if mark and at and userinfo else text
