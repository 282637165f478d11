"""Bytes whose place in a stream is known, so that the first wrong one can be named."""

from __future__ import annotations

import random

# A prime length: no chunk, frame or segment size divides it, so a lost, doubled or swapped
# piece of any usual size shows.
_PERIOD = 1_048_573


def _block() -> bytes:
    # Runs of random bytes and of text, so that compression finds both kinds of work.
    source = random.Random(20_211_109)
    block = bytearray()
    while len(block) < _PERIOD:
        block += source.randbytes(3_001) + b"%d bottles of beer, " % len(block) * 100
    return bytes(block[:_PERIOD])


_BLOCK = _block()


def pattern(start: int, size: int) -> bytes:
    """The `size` bytes of the endless pattern from position `start` on."""
    offset = start % _PERIOD
    piece = _BLOCK[offset : offset + size]
    while len(piece) < size:
        piece += _BLOCK[: size - len(piece)]
    return piece


class Checker:
    """Compares what arrives, in pieces of any size, with the pattern from `start` on."""

    def __init__(self, start: int = 0) -> None:
        self._start = start
        self.received = 0

    def feed(self, data: bytes) -> None:
        """Compare the next bytes.

        Raises:
            AssertionError: a byte differs; the text names its place.
        """
        expected = pattern(self._start + self.received, len(data))
        if data != expected:
            pairs = enumerate(zip(data, expected, strict=True))
            place = self.received + next(index for index, (got, want) in pairs if got != want)
            raise AssertionError(f"wrong byte at {place} of the stream")
        self.received += len(data)
