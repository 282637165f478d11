"""xorshift128+: a generator whose output both ends can repeat (blinksocks wire, 5.7).

It hides nothing: formats use it for lengths that follow from bytes which both ends know.
"""

from __future__ import annotations

import struct

_MASK = 0xFFFFFFFFFFFFFFFF
_STATE = struct.Struct("<QQ")


class Xorshift128Plus:
    """Draws 64-bit numbers.

    Args:
        seed: The state; of more than 16 bytes the first count, fewer are filled with zeros.
    """

    __slots__ = ("_v0", "_v1")
    _v0: int
    _v1: int

    def __init__(self, seed: bytes) -> None:
        self._v0, self._v1 = _STATE.unpack(seed[:16].ljust(16, b"\0"))

    @classmethod
    def for_length(cls, seed: bytes, length: int) -> Xorshift128Plus:
        """Seed with bytes and a length (16 bits), which takes the place of the first two."""
        made = cls(length.to_bytes(2, "little") + seed[2:])
        for _ in range(4):
            made.next()
        return made

    def next(self) -> int:
        """Draw a number."""
        x, y = self._v0, self._v1
        x ^= x << 23 & _MASK
        x ^= y ^ x >> 17 ^ y >> 26
        self._v0, self._v1 = y, x
        return x + y & _MASK
