"""A stream without a network: what comes is written down, what goes is kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from blinktun.transports.base import Stream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blinktun.effects import Chunk


class ScriptedStream(Stream):
    """Receives what the script says, and then the end, or nothing more.

    Attributes:
        sent: Everything that was sent.
        eof_sent: Whether our direction was ended.
        closed: Whether it was closed.
        aborted: Whether it was aborted.
    """

    def __init__(self, script: Iterable[bytes | Exception] = (), *, ends: bool = True) -> None:
        self._script = list(script)
        self._ends = ends
        self.sent = b""
        self.eof_sent = False
        self.closed = False
        self.aborted = False

    @property
    def peer(self) -> str:
        """A name."""
        return "script"

    async def receive(self) -> Chunk:
        """Return or raise what comes next."""
        if not self._script:
            if not self._ends:
                await asyncio.Event().wait()
            return b""
        event = self._script.pop(0)
        if isinstance(event, Exception):
            raise event
        return event

    async def send(self, data: Chunk) -> None:
        """Keep the data."""
        self.sent += data

    async def send_eof(self) -> None:
        """Note the end."""
        self.eof_sent = True

    async def aclose(self) -> None:
        """Note the close."""
        self.closed = True

    def abort(self) -> None:
        """Note the abort."""
        self.aborted = True
