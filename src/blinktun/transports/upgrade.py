"""What several transports have in common: a handshake makes one stream of another."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from blinktun.errors import TransportError
from blinktun.net.half_open import HANDSHAKE_TIMEOUT, HalfOpen
from blinktun.net.tally import Tally
from blinktun.transports import tcp
from blinktun.transports.base import Dialer, Listener, OnStream, Stream
from blinktun.transports.rewindable import Rewindable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from blinktun.address import Address

_log = logging.getLogger("blinktun.transports")

_FLUSH_TIMEOUT = 10.0
"""Seconds that a peer has to make room for our last words, before the wire's own 10 s."""

Upgrade: TypeAlias = "Callable[[Stream, Address], Awaitable[Stream]]"
"""Makes a stream of a wire and the address that was dialled, or raises ``TransportError``."""

Secure: TypeAlias = "Callable[[Stream], Awaitable[Stream | Refused]]"
"""The same for a wire that was taken in; it answers who fails by itself, as TLS does."""

BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-type: text/html\r\n"
    b"Content-Length: 11\r\n\r\nBad Request"
)
"""What a web server without pages says; word for word as blinksocks to a broken WebSocket."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Who came speaks something else.

    Attributes:
        reason: For the log.
        answer: What a server says that has nothing else to offer; may be empty.
    """

    reason: str
    answer: bytes = b""


Accept: TypeAlias = "Callable[[Rewindable], Awaitable[Stream | Refused]]"
"""A handshake that others can answer too: it has sent nothing to whom it refuses."""


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
    """Upgrades the streams of a listening TCP socket, each in a task of its own.

    Args:
        on_stream: Gets those that have shaken hands.
        secure: The handshake that comes first; None: there is none.
        accept: The one behind it; None: there is none.
        on_refused: Gets those that ``accept`` did not take, were it for their silence, as if
            nothing had been read; None: they are answered as it says, and closed.
        limit: How many may be shaking hands; the oldest of more is broken off.
    """

    def __init__(
        self,
        on_stream: OnStream,
        *,
        secure: Secure | None = None,
        accept: Accept | None = None,
        on_refused: OnStream | None = None,
        limit: int | None = None,
    ) -> None:
        self._on_stream = on_stream
        self._secure = secure
        self._accept = accept
        self._on_refused = on_refused
        self._half_open = HalfOpen(limit)
        self._tasks: dict[asyncio.Task[None], int] = {}
        self._failures = Tally(_log, "%s: no connection: %s", "failed the handshake")
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
        self._failures.close()

    def _take(self, wire: Stream) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(wire))
        self._tasks[task] = self._half_open.add(wire.peer, lambda: _cancel(task))
        task.add_done_callback(lambda task: self._on_done(task, wire))

    async def _serve(self, wire: Stream) -> None:
        last = wire  # as far as it got
        found: Stream | Refused = wire
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                if self._secure:
                    found = await self._secure(wire)
                    last = found if isinstance(found, Stream) else wire
                if self._accept and isinstance(found, Stream):
                    last = Rewindable(last)
                    found = await self._accept(last)
        except TimeoutError:
            found = Refused("no handshake in time")
        except TransportError as error:
            found = Refused(error.reason)
        if isinstance(found, Stream):
            self._on_stream(found)
            return
        self._failures.note(wire.peer, found.reason)
        if isinstance(last, Rewindable) and self._on_refused:
            last.rewind()
            self._on_refused(last)
        else:
            await close_behind(last, last.send(found.answer))

    def _on_done(self, task: asyncio.Task[None], wire: Stream) -> None:
        self._half_open.remove(self._tasks.pop(task))
        if task.cancelled():
            wire.abort()
        elif error := task.exception():
            wire.abort()
            _log.error("a handshake ended with a bug", exc_info=error)


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


async def listen(
    address: Address,
    on_stream: OnStream,
    *,
    secure: Secure | None = None,
    accept: Accept | None = None,
    on_refused: OnStream | None = None,
) -> UpgradingListener:
    """Listen on TCP, and hand over what ``secure`` and ``accept`` make of each connection in 10 s.

    Raises:
        TransportError: the address cannot be bound.
    """
    listener = UpgradingListener(on_stream, secure=secure, accept=accept, on_refused=on_refused)
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
        async with asyncio.timeout(HANDSHAKE_TIMEOUT):
            return await handshake
    except TimeoutError as error:
        wire.abort()
        raise TransportError("no handshake in time", peer=wire.peer) from error
    except BaseException:
        wire.abort()
        raise
