"""Tokens, and the memory of them in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun._core import OPENING_RECORD
from blinktun.state.openings import Openings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KEY = b"secret"
RECORD = OPENING_RECORD
HEAD = 2 * RECORD


class Clock:
    """Stands until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def tokens(count: int, start: int = 0) -> Iterable[bytes]:
    """Different tokens."""
    return (number.to_bytes(16, "big") for number in range(start, start + count))


def add(openings: Openings, count: int, start: int = 0) -> int:
    """Returns how many of them were new."""
    return sum(map(openings.is_new, tokens(count, start)))


def file_in(folder: Path) -> Path:
    """The only file of openings there."""
    (found,) = folder.glob("*.openings")
    return found


def reopened(folder: Path) -> Openings:
    """As a process that starts has them."""
    return Openings(str(folder), "test", KEY)
