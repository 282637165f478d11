"""Amounts of memory as people write them: ``256mb``, ``1.5 GiB``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blinktun.config.settings import Settings

SIZE_FIX = "write an amount with its unit, for example 256mb or 1.5 GiB"
LEAST, MOST = 4_000_000, 2**40
"""Bytes: 4 MB and 1 TiB."""


def memory_of(settings: Settings) -> int | None:
    """``memory`` in bytes; None: the default.

    Raises:
        ConfigError: it is no amount of memory.
    """
    try:
        return parse_size(settings.text("memory"))
    except ValueError as error:
        raise settings.error("memory", str(error), fix=SIZE_FIX) from None


def parse_size(text: str) -> int | None:
    """The bytes that an amount means; None if the text is empty.

    ``kb``, ``mb`` and ``gb`` are powers of 1000; ``kib``, ``mib`` and ``gib`` are powers of 1024.

    Raises:
        ValueError: it is no amount; the message says why.
    """
    if not text:
        return None
    found = _SIZE.fullmatch(text.strip())
    if not found:
        is_number = _NUMBER.fullmatch(text)
        raise ValueError("is a number without a unit" if is_number else "is no amount of memory")
    base = 1024 if found["binary"] else 1000
    size = float(found["number"]) * float(base ** _POWERS[found["prefix"].lower()])
    if not LEAST <= size <= MOST:
        raise ValueError("is outside 4mb..1tib")
    return int(size)


_NUMBER = re.compile(r"\s*[0-9.]+\s*", re.ASCII)
_SIZE = re.compile(
    r"(?P<number>[0-9]{1,12}(?:\.[0-9]{1,9})?) ?(?P<prefix>[kKmMgGtT])(?P<binary>[iI]?)[bB]",
    re.ASCII,
)
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}
