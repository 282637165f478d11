"""Bounds what a peer may spend of our time with frames that carry nothing.

Floods of HTTP/2 are made of them: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, CONTINUATION, empty
DATA, and HEADERS behind which the stream is reset, by the peer (CVE-2023-44487) or by us
(CVE-2025-8671). One budget holds for all, so that a new kind needs no rule of its own.
"""

from __future__ import annotations

from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

_BURST = 1000.0
_A_SECOND = 100.0
"""Frames that are given back a second: PINGs and small requests of a connection in use."""
_A_FRAME = 2.0
"""Frames that are given back for each DATA frame of ours: a peer may open two windows for it."""
_MAX_WASTED = 100
"""Streams that may end without an answer, beyond those that ended well."""


class FloodError(ProtocolError):
    """The peer keeps us busy with nothing."""

    error_code = ErrorCodes.ENHANCE_YOUR_CALM


class FrameBudget:
    """The account of one connection."""

    def __init__(self) -> None:
        self._left = _BURST
        self._since: float | None = None
        self._wasted = 0

    def spend(self, frames: int, now: float) -> None:
        """Frames without payload have come.

        Raises:
            FloodError: these are too many.
        """
        passed = 0.0 if self._since is None else now - self._since
        self._since = now
        self._left = min(self._left + passed * _A_SECOND, _BURST) - frames
        if self._left < 0:
            raise FloodError("too many frames without data")

    def earn(self, frames: int) -> None:
        """DATA frames have been sent, that the peer may acknowledge."""
        self._left = min(self._left + frames * _A_FRAME, _BURST)

    def on_stream_end(self, *, served: bool) -> None:
        """A stream of the peer's is over.

        Raises:
            FloodError: too many have ended before they were answered.
        """
        self._wasted = max(self._wasted - 1, 0) if served else self._wasted + 1
        if self._wasted > _MAX_WASTED:
            raise FloodError("too many streams were opened and reset")
