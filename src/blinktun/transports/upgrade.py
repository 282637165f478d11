"""What several transports have in common: a handshake makes one stream of another."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeAlias

from blinktun.errors import TransportError
from blinktun.transports import tcp
from blinktun.transports.base import Dialer, Listener, OnStream, Stream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from blinktun.address import Address

_log = logging.getLogger("blinktun.transports")

_HANDSHAKE_TIMEOUT = 10.0
"""Seconds that a peer has for a handshake."""
_FLUSH_TIMEOUT = 10.0
"""Seconds that a peer has to make room for our last words, before the wire's own 10 s."""

Upgrade: TypeAlias = "Callable[[Stream, Address], Awaitable[Stream]]"
"""Makes a stream of a wire and the address that was dialled, or raises ``TransportError``."""

Accept: TypeAlias = "Callable[[Stream], Awaitable[Stream]]"
"""The same for a wire that was taken in."""


class UpgradingDialer(Dialer):
    """Connects with another dialer, and upgrades its streams."""

    def __init__(self, inner: Dialer, upgrade: Upgrade) -> None:
        self._inner = inner
        self._upgrade = upgrade

    async def connect(self, address: Address) -> Stream:
        """Connect; the handshake has 10 s of its own."""
        wire = await self._inner.connect(address)
        return await _in_time(wire, self._upgrade(wire, address))


class UpgradingListener(Listener):
    """Upgrades the streams of a listening TCP socket, each in a task of its own."""

    def __init__(self, accept: Accept, on_stream: OnStream) -> None:
        self._accept = accept
        self._on_stream = on_stream
        self._tasks: set[asyncio.Task[None]] = set()
        self._tcp: Listener | None = None

    @property
    def addresses(self) -> Sequence[Address]:
        """Every bound address."""
        return self._tcp.addresses if self._tcp else ()

    async def start(self, address: Address) -> None:
        """Listen.

        Raises:
            TransportError: the address cannot be bound.
        """
        self._tcp = await tcp.listen(address, self._take)

    async def aclose(self) -> None:
        """Stop listening, and break off what is still shaking hands."""
        if self._tcp:
            await self._tcp.aclose()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self, wire: Stream) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(wire))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # One that is cancelled before its first step cannot do it itself.
        task.add_done_callback(lambda task: wire.abort() if task.cancelled() else None)

    async def _serve(self, wire: Stream) -> None:
        try:
            stream = await _in_time(wire, self._accept(wire))
        except TransportError as error:
            _log.info("%s: no connection: %s", wire.peer, error.reason)
            return
        self._on_stream(stream)


async def listen(address: Address, accept: Accept, on_stream: OnStream) -> UpgradingListener:
    """Listen on TCP, and hand over what ``accept`` makes of each connection within 10 s.

    Raises:
        TransportError: the address cannot be bound.
    """
    listener = UpgradingListener(accept, on_stream)
    await listener.start(address)
    return listener


async def close_behind(wire: Stream, last_words: Awaitable[None]) -> None:
    """Close a wire behind what ``last_words`` sends; break it off if that cannot be sent."""
    try:
        async with asyncio.timeout(_FLUSH_TIMEOUT):
            await last_words
    except (TimeoutError, TransportError):
        wire.abort()
    except asyncio.CancelledError:
        wire.abort()
        raise
    await wire.aclose()


async def _in_time(wire: Stream, handshake: Awaitable[Stream]) -> Stream:
    try:
        async with asyncio.timeout(_HANDSHAKE_TIMEOUT):
            return await handshake
    except TimeoutError as error:
        wire.abort()
        raise TransportError("no handshake in time", peer=wire.peer) from error
    except BaseException:
        wire.abort()
        raise
