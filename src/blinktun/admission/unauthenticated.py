"""Connections whose peers have not shown yet that they know the key, and perhaps never will.

Nothing that such a peer sees may depend on what it sent: not how long it is kept, nor at which byte
that was decided. So each has a deadline, drawn when its first byte comes and not told to anybody;
whoever has not named a target by then, or did so wrongly, is closed at that moment.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from blinktun.errors import RemoteError
from blinktun.net.limits import share_for_unauthenticated
from blinktun.relay.relay import silence
from blinktun.transports.wrapped import WrappedStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.effects import Chunk
    from blinktun.transports.base import Stream

HOLD = (5.0, 30.0)
"""Bounds, in seconds, of the time from the first byte to the deadline."""
_MAX_EARLY = 128 * 1024
"""Bytes that may come, one read more, before the peer is trusted."""


class UnfinishedError(RemoteError):
    """The peer ended, or its time was up, before it had sent enough to be right or wrong."""


class UnauthenticatedPeer(WrappedStream):
    """The wire of a connection, watched until its peer is trusted.

    Args:
        wire: The connection.
        hold: Seconds from the first byte to the deadline.
        idle: Seconds that the first byte may take.
        keeps: Whether what comes is remembered, for somebody else to answer.
        on_trust: Told when it is one no more.

    Attributes:
        inner: The connection; reading from it is not watched.
        is_trusted: Whether the peer has shown the key.
    """

    def __init__(
        self,
        wire: Stream,
        *,
        hold: float,
        idle: float,
        keeps: bool,
        on_trust: Callable[[UnauthenticatedPeer], None],
    ) -> None:
        super().__init__(wire)
        self._hold = hold
        self._idle = idle
        self._on_trust = on_trust
        self._deadline: float | None = None
        self._early: list[Chunk] | None = [] if keeps else None
        self._size = 0
        self.is_trusted = False

    @property
    def deadline(self) -> float:
        """When it is closed if it is not trusted, on the clock of the event loop."""
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._hold
        return self._deadline

    def trust(self) -> None:
        """The peer knows the key: what it sent first is forgotten, and it may take its time."""
        if not self.is_trusted:
            self.is_trusted = True
            self._early = None
            self._on_trust(self)

    def take_early(self) -> bytes:
        """Everything that has come, byte for byte; it is forgotten here."""
        early, self._early = self._early or [], None
        return b"".join(early)

    async def receive(self) -> Chunk:
        """Wait for bytes.

        Raises:
            TransportError: the connection broke, or nothing came at all.
            UnfinishedError: the peer ended or took too long before it was trusted.
            RemoteError: it sent too much before it was trusted.
        """
        if self.is_trusted:
            return await self.inner.receive()
        if self._size > _MAX_EARLY:
            raise RemoteError("sent too much before it named a target")
        data = await self._receive_in_time()
        _ = self.deadline  # it runs from the first byte on, or from the end if none came
        if not data:
            raise UnfinishedError("ended before it named a target")
        self._size += len(data)
        if self._early is not None:
            self._early.append(data)
        return data

    async def _receive_in_time(self) -> Chunk:
        until = self._deadline or asyncio.get_running_loop().time() + self._idle
        try:
            async with asyncio.timeout_at(until):
                return await self.inner.receive()
        except TimeoutError:
            if self._deadline is None:
                raise silence(self._idle) from None
            raise UnfinishedError("named no target in time") from None


class UnauthenticatedPeers:
    """All of them, the longest known first to go when there are too many.

    Args:
        hold: Bounds, in seconds, of the time to the deadline.
        idle: Seconds that the first byte may take.
        keeps: Whether what comes is remembered.
        limit: How many there may be; by default what the descriptors of the process allow.
    """

    def __init__(
        self, hold: tuple[float, float], *, idle: float, keeps: bool, limit: int | None = None
    ) -> None:
        self._bounds = hold
        self._idle = idle
        self._keeps = keeps
        self._limit = share_for_unauthenticated() if limit is None else limit
        self._known: dict[UnauthenticatedPeer, None] = {}

    def __len__(self) -> int:
        return len(self._known)

    def track(self, wire: Stream) -> UnauthenticatedPeer:
        """Watch a new connection; the oldest of too many is broken off."""
        while len(self._known) >= self._limit:
            oldest = next(iter(self._known))
            del self._known[oldest]
            oldest.abort()
        # Not a secret: it only has to differ from time to time.
        hold = random.uniform(*self._bounds)  # noqa: S311
        peer = UnauthenticatedPeer(
            wire, hold=hold, idle=self._idle, keeps=self._keeps, on_trust=self.forget
        )
        self._known[peer] = None
        return peer

    def wires(self) -> set[Stream]:
        """Their connections."""
        return {peer.inner for peer in self._known}

    def forget(self, peer: UnauthenticatedPeer) -> None:
        """It is trusted, or gone."""
        self._known.pop(peer, None)
