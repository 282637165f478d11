"""What a blinksocks server does with peers that fail its presets (blinksocks, 9.4)."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from blinktun.errors import TransportError
from blinktun.relay.relay import Traffic, relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.address import Address
    from blinktun.admission.unauthenticated import UnauthenticatedPeer
    from blinktun.transports.base import Dialer, Stream

_log = logging.getLogger("blinktun.blinksocks")

_MAX_DISCARDED = 1 << 20
"""Bytes that one may send while it waits; then reading stops."""
_PATIENCE = 0.2
"""Seconds that a peer has to end after the other service has ended: such services close at once."""


class Fallback:
    """Keeps a prober from learning anything.

    Args:
        hold: Bounds, in seconds, of the wait of a peer that fails after it was trusted.
        redirect: Answers unauthenticated peers; None: no service does.
        dialer: Connects to it.
        idle: Seconds without a byte in either direction that end such a conversation.
    """

    def __init__(
        self, hold: tuple[float, float], redirect: Address | None, dialer: Dialer, *, idle: float
    ) -> None:
        self._hold = hold
        self._redirect = redirect
        self._dialer = dialer
        self._idle = idle

    async def take(
        self, peer: UnauthenticatedPeer, on_service: Callable[[], None] | None = None
    ) -> None:
        """Let another service answer a peer, or close the connection late and without a word.

        An immediate close would tell a prober which byte was wrong.

        Args:
            peer: The connection.
            on_service: Told when another service has it.
        """
        now = asyncio.get_running_loop().time()
        # Not a secret: it only has to differ from time to time.
        until = now + random.uniform(*self._hold) if peer.is_trusted else peer.deadline  # noqa: S311
        if self._redirect and not peer.is_trusted:
            await peer.settle()
            target = peer.shadow.service if peer.shadow else await self.open_service()
            if target:
                _log.info("%s is redirected to %s", peer.peer, self._redirect)
                if on_service:
                    on_service()
                await self._splice(peer, target)
                return
        await _hold(peer.inner, until)

    async def open_service(self) -> Stream | None:
        """Connect to the service that answers; None: it is not there, or there is none."""
        if self._redirect is None:
            return None
        try:
            return await self._dialer.connect(self._redirect)
        except TransportError as error:
            _log.warning("no peer can be redirected: %s", error)
            return None

    async def _splice(self, peer: UnauthenticatedPeer, target: Stream) -> None:
        """Join a peer and the service that is to answer, as if it had come there first."""
        try:
            early, wire = peer.inner.for_service(peer.take_early())
            if early:
                await target.send(early)
            if peer.shadow and peer.shadow.answer:
                await wire.send(peer.shadow.answer)
            await relay(wire, target, idle=self._idle, traffic=Traffic(), patience=_PATIENCE)
            await asyncio.gather(peer.aclose(), target.aclose())
        except TransportError as error:
            _log.debug("%s: the redirected connection ended: %s", peer.peer, error)
        finally:
            peer.abort()
            target.abort()


async def _hold(wire: Stream, until: float) -> None:
    """Read and throw away, up to a bound; break off at a time on the event loop's clock."""
    try:
        async with asyncio.timeout_at(until):
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
