"""How many random bytes stand in a chunk of ssr-auth-chain-a and -b (blinksocks wire, 5.7)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left

from blinktun.crypto.xorshift import Xorshift128Plus

_SPLIT = 8589934609


class Lengths(ABC):
    """What both ends draw alike for each chunk.

    Args:
        user_key: The key that is derived from the password.
        overhead: As the client's handshake says it.
    """

    def __init__(self, user_key: bytes, overhead: int) -> None:
        self._user_key = user_key
        self._overhead = overhead

    @abstractmethod
    def draw(self, last: bytes, size: int) -> tuple[int, int]:
        """Draw for a chunk with ``size`` bytes of data, behind one whose hash is ``last``.

        Returns:
            How many random bytes it has, and how many of them stand before the data.
        """


class LengthsA(Lengths):
    """Fewer for more data, none for more than 1440 bytes."""

    def draw(self, last: bytes, size: int) -> tuple[int, int]:
        """Draw."""
        if size > 1440:
            return 0, 0
        generator = Xorshift128Plus.for_length(last, size)
        return _split(generator, generator.next() % _spread(size))


class LengthsB(Lengths):
    """As many as fill a chunk up to one of two lists of sizes, none for 1440 bytes or more."""

    def __init__(self, user_key: bytes, overhead: int) -> None:
        super().__init__(user_key, overhead)
        generator = Xorshift128Plus(user_key)
        self._first = _sizes(generator, generator.next() % 8 + 4)
        self._second = _sizes(generator, generator.next() % 16 + 8)

    def draw(self, last: bytes, size: int) -> tuple[int, int]:
        """Draw."""
        if size >= 1440:
            return 0, 0
        generator = Xorshift128Plus.for_length(last, size)
        return _split(generator, self._filling(generator, size))

    def _filling(self, generator: Xorshift128Plus, size: int) -> int:
        total = size + self._overhead
        first, second = self._first, self._second
        index = bisect_left(first, total) + generator.next() % len(first)
        if index < len(first):
            return first[index] - total
        start = bisect_left(second, total)
        index = start + generator.next() % len(second)
        if index < len(second):
            return second[index] - total
        if index < start + len(second) - 1:
            return 0
        return generator.next() % _spread(size)


def _sizes(generator: Xorshift128Plus, count: int) -> list[int]:
    return sorted(generator.next() % 2340 % 2040 % 1440 for _ in range(count))


def _spread(size: int) -> int:
    if size > 1300:
        return 31
    if size > 900:
        return 127
    return 521 if size > 400 else 1021


def _split(generator: Xorshift128Plus, filling: int) -> tuple[int, int]:
    return filling, generator.next() % _SPLIT % filling if filling else 0
