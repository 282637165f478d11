"""What the log says about one connection."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from blinktun.tunnel.relay import Traffic

if TYPE_CHECKING:
    from blinktun.address import Address

_log = logging.getLogger("blinktun.blinksocks")


class Record:
    """Who came, where to, how much was carried, for how long, and how it ended.

    Attributes:
        target: Where it leads, once that is known.
        traffic: Counts its bytes, and those of its role.
    """

    def __init__(self, peer: str, total: Traffic) -> None:
        self._peer = peer
        self.target: Address | None = None
        self.traffic = Traffic(total)
        self._started = time.monotonic()

    def log_end(self, how: str) -> None:
        """Write the connection's line."""
        _log.info(
            "%s -> %s: %d bytes up, %d bytes down, %.2f s, %s",
            self._peer,
            self.target or "?",
            self.traffic.up,
            self.traffic.down,
            time.monotonic() - self._started,
            how,
        )
