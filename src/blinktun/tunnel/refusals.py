"""What a blinksocks server does with peers that fail its presets."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from blinktun.errors import TransportError

if TYPE_CHECKING:
    from blinktun.transports.base import Stream

HOLD = (5.0, 30.0)
"""Seconds that such a peer is kept waiting, drawn anew for each."""
_MAX_DISCARDED = 1 << 20
"""Bytes that it may send meanwhile; then reading stops."""


class Refusals:
    """Keeps a prober from learning anything.

    Args:
        hold: Bounds, in seconds, of the wait before a peer is closed.
    """

    def __init__(self, hold: tuple[float, float] = HOLD) -> None:
        self._hold = hold

    async def refuse(self, wire: Stream) -> None:
        """Close the connection, but not at once and without a word.

        An immediate close would tell a prober which byte was wrong.
        """
        try:
            # Not a secret: it only has to differ from time to time.
            async with asyncio.timeout(random.uniform(*self._hold)):  # noqa: S311
                discarded = 0
                while discarded < _MAX_DISCARDED:
                    data = await wire.receive()
                    if not data:
                        break
                    discarded += len(data)
                await asyncio.Event().wait()
        except (TimeoutError, TransportError):
            pass
        finally:
            wire.abort()  # not a clean end: the application behind an honest client must know
