"""JSON files as the two programs read them."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blinktun.config.explain import Origin, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from blinktun.errors import ConfigError

LARGEST_BYTES = 1 << 20
"""A larger file is refused: nobody writes one, and a mistaken path may name a disk."""


@dataclass(frozen=True, slots=True)
class Document:
    """The first JSON value of a file, an object.

    Attributes:
        source: The file's name, as its user gave it.
        values: Keys and values in file order; of equal keys the last stands, at its own place.
        rest: ``line L, column C`` of what follows the first value; empty if nothing does. Go stops
            reading before it, Node refuses it.
        repeated: Keys that an object has more than once.
    """

    source: str
    values: Mapping[str, object]
    rest: str = ""
    repeated: tuple[str, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """What its owner should hear about keys that are there more than once."""
        return [
            f"{shown(key)} is there more than once: the last one counts" for key in self.repeated
        ]


def read_document(path: Path) -> Document:
    """Read a file.

    Raises:
        ConfigError: it cannot be read, is not UTF-8 or JSON, or is not an object.
    """
    return parse_document(_read_text(path), str(path))


def parse_document(text: str, source: str) -> Document:
    """Parse the text of a file.

    Raises:
        ConfigError: it is not JSON, or not an object.
    """
    start = _skip_space(text, 0)
    if start == len(text):
        raise Origin(source).error("is empty", fix="write one JSON object: { ... }")
    if is_javascript(source, text):
        raise _javascript_error(source)
    repeated: dict[str, None] = {}
    decoder = json.JSONDecoder(
        object_pairs_hook=lambda pairs: _last_of_equal(pairs, repeated),
        parse_constant=_refuse_constant,
    )
    try:
        value, end = decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise _syntax_error(source, text, error.pos, error.msg) from None
    except (ValueError, RecursionError):
        fix = "write numbers of a reasonable length and no deep nesting"
        raise Origin(source).error("is not a sensible JSON text", fix=fix) from None
    if not isinstance(value, dict):
        raise Origin(source).error(
            "is not a JSON object", fix="write { at its start and } at its end"
        )
    rest = _skip_space(text, end)
    return Document(source, value, _place(text, rest) if rest < len(text) else "", tuple(repeated))


def _read_text(path: Path) -> str:
    origin = Origin(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        fix = "give the path of a JSON file that can be read"
        raise origin.error(f"cannot be read: {reason}", fix=fix) from None
    if len(data) > LARGEST_BYTES:
        raise origin.error(f"is larger than {LARGEST_BYTES} bytes", fix="is this the right file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _place(data[: error.start].decode("utf-8-sig"), None)
        raise origin.error(f"{place}: is not UTF-8", fix="save the file as UTF-8") from None


def is_javascript(source: str, text: str) -> bool:
    """Whether a file is a script, as blinksocks 2.0 to 2.5 read them."""
    return source.endswith((".js", ".cjs", ".mjs")) or bool(_JAVASCRIPT.match(text))


def _javascript_error(source: str) -> ConfigError:
    """How to make JSON of it: running it is left to its owner."""
    path = source if source.startswith("/") else f"./{source}"
    target = source.rpartition(".")[0] + ".json" if "." in source else f"{source}.json"
    command = (
        f"node -p 'JSON.stringify(require({json.dumps(path)}), null, 2)' > {shlex.quote(target)}"
    )
    fix = f"write it as JSON: {command}"
    return Origin(source).error("is JavaScript, which is not run here", fix=fix)


def _syntax_error(source: str, text: str, position: int, message: str) -> ConfigError:
    fix = _hint(text, position) or _HINTS.get(message, "check quotes, commas and brackets there")
    problem = f"{_place(text, position)}: is not JSON ({message[0].lower()}{message[1:]})"
    return Origin(source).error(problem, fix=fix)


def _hint(text: str, position: int) -> str:
    """What to change, as far as the characters there tell."""
    before, behind = text[:position].rstrip(), text[position:].lstrip()
    if before.endswith(",") and behind.startswith(("}", "]")):
        return f"remove the comma before {behind[0]}"
    return next((fix for begins, fix in _FOUND if behind.startswith(begins)), "")


def _place(text: str, position: int | None) -> str:
    before = text[:position]
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


def _skip_space(text: str, start: int) -> int:
    found = _SPACE.match(text, start)
    return found.end() if found else start


def _last_of_equal(pairs: list[tuple[str, object]], repeated: dict[str, None]) -> dict[str, object]:
    values: dict[str, object] = {}
    for key, value in pairs:
        if key in values:
            repeated[key] = None
            del values[key]  # so that the later one also comes later, as Go applies them
        values[key] = value
    return values


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


_SPACE = re.compile(r"[ \t\r\n]*")
_JAVASCRIPT = re.compile(
    r"(?:\s|//[^\n]*|/\*.*?\*/)*(?:module\.exports|exports\.|export\s|['\"]use strict['\"]"
    r"|(?:const|let|var)\s|require\()",
    re.DOTALL,
)
_FOUND: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("//", "/*", "#"),
        "remove the comment (JSON has none; keys that begin with _ are ignored)",
    ),
    (("'", "`"), "write double quotes"),
    (("\u201c", "\u201d", "\u201e", "\u2018", "\u2019"), 'write plain double quotes, "'),
    (("True", "False", "None"), "write true, false or null, in lower case"),
)
"""What stands where the JSON ends, and what to do about it."""
_HINTS: Mapping[str, str] = {
    "Expecting ',' delimiter": "put a comma between two entries",
    "Expecting ':' delimiter": "put a colon between a key and its value",
    "Expecting property name enclosed in double quotes": 'write keys as "key", without // comments',
    "Illegal trailing comma before end of object": "remove the comma after the last entry",
    "Illegal trailing comma before end of array": "remove the comma after the last entry",
    "Unterminated string starting at": 'close the string with "',
    "Invalid control character at": "write line breaks inside a string as \\n",
}
