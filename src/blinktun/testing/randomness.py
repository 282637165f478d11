"""Randomness that is known beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Recorded:
    """Gives recorded values in their order, in place of random bytes.

    Raises:
        AssertionError: more values are drawn than were recorded, or of another size.
    """

    def __init__(self, values: Iterable[bytes]) -> None:
        self._values = list(values)

    def __call__(self, size: int) -> bytes:
        """Return the next value."""
        if not self._values or len(self._values[0]) != size:
            raise AssertionError(f"{size} bytes drawn, recorded are {self._values[:1]}")
        return self._values.pop(0)


class Counting:
    """Gives different bytes at every call, the same in every run."""

    def __init__(self, seed: int = 0) -> None:
        self._next = seed

    def __call__(self, size: int) -> bytes:
        """Return ``size`` bytes."""
        self._next += 1
        return bytes((self._next * 31 + index * 7) & 0xFF for index in range(size))
