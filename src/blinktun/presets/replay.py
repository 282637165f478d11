"""What a server remembers in order to refuse a connection that was recorded and sent again.

No preset's format asks for it, and none needs to change for it: every honest client draws a new
salt, IV or identifier for each connection, so one that comes twice was not sent by a client.
"""

from __future__ import annotations

from typing import Protocol


class ReplayGuard(Protocol):
    """Remembers tokens."""

    def is_new(self, token: bytes) -> bool:
        """Remember a token; False if it was remembered before."""


class NoGuard:
    """Takes every token for new: a client's, whose server may repeat itself."""

    def is_new(self, token: bytes) -> bool:
        """Say so."""
        del token
        return True


NO_GUARD = NoGuard()
