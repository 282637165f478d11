"""What a server remembers in order to refuse a connection that was recorded and sent again.

No preset's format asks for it, and none needs to change for it: every honest client draws a new
salt, IV or identifier for each connection, so one that comes twice was not sent by a client.
"""

from __future__ import annotations

_GENERATION = 65536
"""Tokens kept in each of two generations; at most about 12 MB for both, when connections come by
the hundred thousand."""


class ReplayGuard:
    """Remembers the latest 65,536 to 131,072 tokens."""

    def __init__(self, generation: int = _GENERATION) -> None:
        self._size = generation
        self._new: set[bytes] = set()
        self._old: set[bytes] = set()

    def is_new(self, token: bytes) -> bool:
        """Remember a token; False if it has been seen before."""
        if token in self._new or token in self._old:
            return False
        if len(self._new) >= self._size:
            self._old, self._new = self._new, set()
        self._new.add(token)
        return True
