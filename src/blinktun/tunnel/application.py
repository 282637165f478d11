"""One application of a client, and what has been found out about it."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, assert_never

from blinktun.effects import ConnectTo, Forward, Reject, Reply
from blinktun.errors import LocalError, RemoteError, TransportError
from blinktun.net.half_open import HANDSHAKE_TIMEOUT
from blinktun.proxies.base import Associate
from blinktun.proxies.http_exchange import Exchange
from blinktun.proxies.refusal import Refusal
from blinktun.tunnel.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.address import Address
    from blinktun.effects import Chunk
    from blinktun.proxies.base import Demand, Handshake
    from blinktun.relay.relay import Traffic
    from blinktun.transports.base import Stream

    Errand = ConnectTo | Associate | Exchange


class Application:
    """A connection from its first byte to its last.

    Attributes:
        stream: The connection.
        handshake: What is spoken on it.
        record: What the log will say about the current tunnel, or about there being none.
        tunnel: Leads to the target, once it does.
        is_resting: Whether nothing has been asked for, or all that was has been answered.
    """

    def __init__(self, stream: Stream, handshake: Handshake, total: Traffic) -> None:
        self.stream = stream
        self.handshake = handshake
        self.record = Record(stream.peer, total)
        self.tunnel: Stream | None = None
        self.is_resting = True
        self._total = total

    async def negotiate(self) -> Errand:
        """Run the handshake; returns what the application wants.

        Raises:
            RemoteError: it was rejected, or refused and not tried again; the application has been
                told.
            TransportError: the application left, or was silent for too long.
        """
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                errand = await self.perform(self.handshake.start())
                while errand is None:
                    data = await self.stream.receive()
                    if not data and self.handshake.complaint:
                        raise RemoteError(self.handshake.complaint)
                    if not data:
                        raise TransportError("left during the handshake", peer=self.stream.peer)
                    errand = await self.perform(self.handshake.receive(data))
                return errand
        except TimeoutError:
            raise TransportError("no request", peer=self.stream.peer) from None

    async def perform(self, demands: Sequence[Demand]) -> Errand | None:
        """Answer the application; returns what it wants, if it has said so.

        Raises:
            RemoteError: it was rejected; the application has been told.
            TransportError: the application is gone.
        """
        for demand in demands:
            match demand:
                case Reply(data):
                    await self.stream.send(data)
                case ConnectTo() | Associate() | Exchange():
                    return demand
                case Reject(reason):
                    raise RemoteError(reason)
                case Forward():
                    raise LocalError("a handshake cannot forward")
                case _:
                    assert_never(demand)
        return None

    def lead_to(self, target: Address) -> None:
        """Note where the next tunnel leads; the last one gets its line in the log."""
        if self.record.target is not None:
            self.record.log_end("closed")
            self.record = Record(self.stream.peer, self._total)
        self.record.target = target

    async def first_bytes(self, delay: float) -> Chunk:
        """Return what the application sends within ``delay`` seconds, perhaps nothing."""
        try:
            async with asyncio.timeout(delay):
                return await self.stream.receive()
        except TimeoutError:
            return b""

    async def stop(self) -> None:
        """End because the program stops: cleanly if nothing is cut off by that."""
        if self.is_resting:
            await self.stream.aclose()
        self.abort()

    def abort(self) -> None:
        """End everything with an error."""
        self.stream.abort()
        if self.tunnel:
            self.tunnel.abort()


def refusal_of(error: Exception) -> Refusal:
    """What an application can be told of why there is no tunnel."""
    match error.__cause__:
        case ConnectionRefusedError():
            return Refusal.CONNECTION_REFUSED
        case TimeoutError():
            return Refusal.TIMED_OUT
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH):
            return Refusal.HOST_UNREACHABLE
    return Refusal.FAILED
