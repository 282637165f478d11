"""Errors that say where, what and how to put it right; secrets never appear in them."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blinktun.config.meanings import by_meaning, plain
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

COMMAND_LINE = "command line"
"""The source of what stands in no file."""
HIDDEN = "(hidden)"
_SHOWN_LENGTH = 60
_FEW = 20
_COMMENTS = frozenset({"comment", "remark", "note", "desc", "description"})


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
    """The known name that ``word`` was most likely meant to be: by meaning, else by spelling.

    Names that differ in their digits are not spelling mistakes of each other: ``aes-256`` is not
    ``aes-192``.
    """
    names = list(known)
    if meant := by_meaning(word, names):
        return meant
    by_fold = {name.casefold(): name for name in names}
    found = difflib.get_close_matches(word.casefold(), list(by_fold), n=3, cutoff=0.6)
    return next((by_fold[name] for name in found if _has_digits_of(word, name)), None)


def suggestion(word: str, known: Iterable[str], *, what: str = "known") -> str:
    """The fix for a name that does not exist: the nearest one, else all of them."""
    names = list(known)
    close = nearest(word, names)
    listed = f"{what}: {', '.join(names)}"
    if close is None:
        return listed
    return f"did you mean {close}?" + (f" ({listed})" if len(names) <= _FEW else "")


def is_comment(name: str) -> bool:
    """Whether a key is there for people alone, as JSON has no comments."""
    return name.startswith(("_", "/", "#", "$")) or plain(name).rstrip("s") in _COMMENTS


def pass_over(name: str, known: Iterable[str], *, source: str, prefix: str = "") -> str | None:
    """The warning about a key that nothing reads, None if it is a comment.

    Both originals ignore such keys. The value is not shown, as it may be a secret.

    Raises:
        ConfigError: it looks like a known key, so its owner believes that it has an effect.
    """
    if is_comment(name):
        return None
    key = f"{prefix}{_one_line(name)}"
    names = list(known)
    if nearest(name, names):
        raise Origin(source, key).error("there is no such key", fix=suggestion(name, names))
    return f"{key} is ignored, as in the original: there is no such key"


def _has_digits_of(word: str, name: str) -> bool:
    given, wanted = (sorted(filter(str.isdigit, text)) for text in (word, name))
    return given == wanted


def _one_line(text: str) -> str:
    """Short, and without anything that a terminal would obey."""
    if len(text) > _SHOWN_LENGTH:
        text = text[:_SHOWN_LENGTH] + "..."
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _without_credentials(text: str) -> str:
    scheme, mark, rest = text.partition("://")
    userinfo, at, host = rest.rpartition("@")
    return f"{scheme}://{HIDDEN}@{host}" if mark and at and userinfo else text
