"""What the log says about one connection."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from blinktun.errors import AccessDenied, RemoteError, TransportError
from blinktun.relay.relay import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blinktun.address import Address
    from blinktun.transports.base import Stream

_log = logging.getLogger("blinktun.blinksocks")


class Record:
    """Who came, where to, how much was carried, for how long, and how it ended.

    Attributes:
        target: Where it leads, once that is known.
        traffic: Counts its bytes, and those of its role.
        on_unauthenticated: Gets the error that ends it in place of the log, until it is trusted.
    """

    def __init__(self, peer: str, total: Traffic) -> None:
        self._peer = peer
        self.target: Address | None = None
        self.traffic = Traffic(total)
        self._started = time.monotonic()
        self._ended = False
        self.on_unauthenticated: Callable[[Exception], None] | None = None

    @contextmanager
    def ending(self, stream: Stream) -> Iterator[None]:
        """Write how the block ended, and abort ``stream`` unless it ended well.

        A ``TransportError`` or ``AccessDenied`` ends here: it has been written.

        Raises:
            RemoteError: as the block did; what becomes of ``stream`` is up to the caller.
        """
        try:
            yield
        except (TransportError, AccessDenied) as error:
            stream.abort()
            self._end_by(error, str(error))
        except RemoteError as error:
            self._end_by(error, f"refused: {error}")
            raise
        except BaseException as error:
            stream.abort()
            self.log_end("stopped" if isinstance(error, asyncio.CancelledError) else "failed")
            raise
        else:
            self.log_end("closed")

    def _end_by(self, error: Exception, how: str) -> None:
        if self.on_unauthenticated:
            self.on_unauthenticated(error)
        else:
            self.log_end(how)

    def step(self, what: str) -> None:
        """Write how far the connection has come, for those who look for what takes its time."""
        after = time.monotonic() - self._started
        _log.debug("%s -> %s: %s after %.3f s", self._peer, self.target or "?", what, after)

    def log_end(self, how: str) -> None:
        """Write the connection's line, once."""
        if self._ended:
            return
        self._ended = True
        if self.traffic.first_down is not None:
            after = self.traffic.first_down - self._started
            _log.debug("%s: the first byte came back after %.3f s", self._peer, after)
        _log.info(
            "%s -> %s: %d bytes up, %d bytes down, %.2f s, %s",
            self._peer,
            self.target or "?",
            self.traffic.up,
            self.traffic.down,
            time.monotonic() - self._started,
            how,
        )
