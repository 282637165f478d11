"""Connections whose peers have not shown yet that they know the key, and perhaps never will.

Nothing that such a peer sees may depend on what it sent: not how long it is kept, nor at which byte
that was decided. So each has a deadline, drawn when its first byte comes and not told to anybody. A
peer that has not named a target by then, or did so wrongly, is closed at that moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, TypeAlias

from blinktun.admission.shadow import Shadow
from blinktun.errors import RemoteError, TransportError
from blinktun.net.half_open import HalfOpen
from blinktun.relay.relay import silence
from blinktun.transports.wrapped import WrappedStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from blinktun.effects import Chunk
    from blinktun.transports.base import Stream

OpenService: TypeAlias = "Callable[[], Awaitable[Stream | None]]"
"""Connects to a fallback service; None: it is not there."""

HOLD = (5.0, 10.0)
"""Bounds, in seconds, of the time from the first byte to the deadline."""
PAUSE = 0.2
"""Seconds without a byte after which a fallback service hears what has come.

The same for every peer, whatever it sent: a prober that sees no answer to 49 bytes and one to 50
knows what it has found.
"""
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
        open_service: Connects to the fallback service; None: there is none.
        on_trust: Told when it is one no more.

    Attributes:
        inner: The connection; reading from it is not watched.
        is_trusted: Whether the peer has shown the key.
        shadow: The fallback service, if it hears the peer already.
    """

    def __init__(
        self,
        wire: Stream,
        *,
        hold: float,
        idle: float,
        open_service: OpenService | None,
        on_trust: Callable[[UnauthenticatedPeer], None],
    ) -> None:
        super().__init__(wire)
        self._open_service = open_service
        self._hold = hold
        self._idle = idle
        self._on_trust = on_trust
        self._deadline: float | None = None
        self._early: list[Chunk] | None = [] if open_service else None
        self._pauses = open_service is not None  # whether a pause means something
        self._paused = False
        self.shadow: Shadow | None = None
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
            if self.shadow:
                self.shadow.service.abort()
                self.shadow = None

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
        self._keep(data)
        return data

    def abort(self) -> None:
        """Abort, and take the fallback service with it."""
        if self.shadow:
            self.shadow.service.abort()
        self.inner.abort()

    async def send(self, data: Chunk) -> None:
        """Send; a peer that gets something of the presets needs time to answer it."""
        self._pauses = self._pauses and self.is_trusted
        await self.inner.send(data)

    async def settle(self) -> None:
        """Take what comes until there is a pause, as of a peer that is still undecided."""
        with contextlib.suppress(TransportError, TimeoutError):
            while 0 < self._size <= _MAX_EARLY and not self._paused:
                until = min(self.deadline, asyncio.get_running_loop().time() + PAUSE)
                async with asyncio.timeout_at(until):
                    data = await self.inner.receive()
                if not data:
                    return
                self._keep(data)

    def _keep(self, data: Chunk) -> None:
        self._size += len(data)
        if self._early is not None:
            self._early.append(data)

    async def _receive_in_time(self) -> Chunk:
        until = self._deadline or asyncio.get_running_loop().time() + self._idle
        try:
            async with asyncio.timeout_at(until):
                return await self._receive_or_share()
        except TimeoutError:
            if self._deadline is None:
                raise silence(self._idle) from None
            raise UnfinishedError("named no target in time") from None

    async def _receive_or_share(self) -> Chunk:
        """Wait for bytes; after a pause the fallback service gets them too.

        Raises:
            UnfinishedError: that service has answered, or answers in its own words only.
        """
        if self._pauses and self._size and not self.shadow:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE):
                    return await self.inner.receive()
            await self._share()
        if self.shadow is None:
            return await self.inner.receive()
        data = await self.shadow.receive()
        if data is None:
            raise UnfinishedError("the fallback service has answered")
        return data

    async def _share(self) -> None:
        self._pauses, self._paused = False, True
        if self.inner.for_service(b"")[1] is not self.inner:
            raise UnfinishedError("paused before it named a target")
        service = await self._open_service() if self._open_service else None
        if service is None:
            return
        self.shadow = Shadow(self.inner, service)
        try:
            await service.send(self.take_early())
        except TransportError:
            self.shadow.answer = b""
            raise UnfinishedError("the fallback service has ended") from None


class UnauthenticatedPeers:
    """All of them, the oldest first to go when there are too many, in all or of one source.

    Args:
        hold: Bounds, in seconds, of the time to the deadline.
        idle: Seconds that the first byte may take.
        open_service: Connects to the fallback service; None: there is none.
        limit: How many there may be; by default what the descriptors of the process allow.
    """

    def __init__(
        self,
        hold: tuple[float, float],
        *,
        idle: float,
        open_service: OpenService | None = None,
        limit: int | None = None,
    ) -> None:
        self._bounds = hold
        self._idle = idle
        self._open_service = open_service
        self._half_open = HalfOpen(limit)
        self._numbers: dict[UnauthenticatedPeer, int] = {}

    def __len__(self) -> int:
        return len(self._half_open)

    def track(self, wire: Stream) -> UnauthenticatedPeer:
        """Watch a new connection; the oldest of too many is broken off."""
        # Not a secret: it only has to differ from time to time.
        hold = random.uniform(*self._bounds)  # noqa: S311
        peer = UnauthenticatedPeer(
            wire,
            hold=hold,
            idle=self._idle,
            open_service=self._open_service,
            on_trust=self.forget,
        )
        self._numbers[peer] = self._half_open.add(wire.peer, peer.abort)
        return peer

    def wires(self) -> set[Stream]:
        """Their connections."""
        return {peer.inner for peer in self._numbers}

    def hand_over(self, peer: UnauthenticatedPeer) -> None:
        """A fallback service has it: its source may have as many as that service allows."""
        if peer in self._numbers:
            self._half_open.settle(self._numbers[peer])

    def forget(self, peer: UnauthenticatedPeer) -> None:
        """It is trusted, or gone."""
        number = self._numbers.pop(peer, None)
        if number is not None:
            self._half_open.remove(number)
