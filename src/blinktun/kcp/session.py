"""One KCP conversation and its streams."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.kcp.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    from blinktun._core import Event
    from blinktun.kcp.driver import Driver
    from blinktun.kcp.keys import SessionKey, StreamKey
    from blinktun.kcp.raw_tcp import Carrier

FLUSH = 1.0
"""Seconds that the end of a session may take."""

Shards = tuple[int, int]
"""Data and parity packets of a FEC group; 0 and 0 without FEC."""

_log = logging.getLogger("blinktun.kcp")

_LOOK = 0.05
"""Seconds between looks for the last stream."""


@dataclass(frozen=True, slots=True)
class RelayResult:
    """How a relay went.

    Attributes:
        sent: Bytes from the socket to the stream.
        received: Bytes from the stream to the socket.
        error: None if both directions ended cleanly, else what happened.
        connected: False if the socket, handed over while connecting, never was.
    """

    sent: int
    received: int
    error: str | None
    connected: bool = True


class Session:
    """A conversation with one peer, dialled or accepted.

    ``async with`` ends it as `aclose` does.

    Attributes:
        peer: The other end, as text.
        alternatives: How many other addresses the server's name has.
        silent: Data in flight has made no progress for a second or more.
        heard: The peer has answered at least once.
        born: When it was made, on the event loop's clock.
        closed: Set when it is over.
        reason: Why it is over; empty while it lives.
    """

    def __init__(
        self,
        driver: Driver,
        key: SessionKey,
        peer: str,
        *,
        on_stream: Callable[[Session, StreamKey], None] | None = None,
        carrier: Carrier | None = None,
        alternatives: int = 0,
    ) -> None:
        self._driver = driver
        self.key = key
        self.peer = peer
        self.alternatives = alternatives
        self.silent = False
        self.heard = False
        self.born = asyncio.get_running_loop().time()
        self.closed = asyncio.Event()
        self.reason = ""
        self.on_silence: Callable[[Session], None] | None = None
        self.on_mismatch: Callable[[Session, Shards | None], None] | None = None
        self.on_end: Callable[[Session], None] | None = None
        self._on_stream = on_stream
        self._carrier = carrier
        self._owned: dict[StreamKey, Stream] = {}
        self._relayed: set[StreamKey] = set()
        self._watched: dict[StreamKey, Callable[[], object]] = {}
        driver.sessions[key] = self

    def open_stream(self) -> Stream:
        """Open a stream to read and write.

        Raises:
            TransportError: the session is over, or has as many streams as it can.
        """
        return self.adopt(self.open_key())

    def open_key(self) -> StreamKey:
        """Open a stream for `relay`.

        Raises:
            TransportError: the session is over, or has as many streams as it can.
        """
        try:
            key = self._driver.core.open_stream(self.key)
        except OSError as error:
            raise TransportError(self.reason or str(error), peer=self.peer) from error
        self._driver.wake()
        return key

    def watch(self, key: StreamKey, on_lost: Callable[[], object]) -> None:
        """Tell ``on_lost`` if a stream breaks before it has a relay or a reader."""
        self._watched[key] = on_lost

    def adopt(self, key: StreamKey) -> Stream:
        """The stream ``key`` as one to read and write."""
        self._watched.pop(key, None)
        stream = self._owned[key] = Stream(self._driver, key, self.peer, self._forget)
        return stream

    def relay(
        self,
        key: StreamKey,
        connection: socket.socket,
        done: Callable[[RelayResult], None],
        *,
        connecting: bool = False,
    ) -> None:
        """Join a stream and a socket: from now on no Python runs for their bytes.

        Args:
            key: A stream of this session.
            connection: Taken over, and closed at the end, whatever happens.
            done: Called at the end; not if this raises.
            connecting: The socket is non-blocking and still being connected.

        Raises:
            TransportError: the session or the stream is over. Both are broken off.
            TypeError: an argument is of another type.
        """

        def finished(event: Event.RelayFinished) -> None:
            self._relayed.discard(key)
            done(RelayResult(event.sent, event.received, event.error, event.connected))

        self._watched.pop(key, None)
        if not isinstance(connection, socket.socket):
            raise TypeError(f"a socket is needed, not {type(connection).__name__}")
        descriptor = connection.detach()
        try:
            self._driver.relay(key, descriptor, finished, connecting=connecting)
        except (TypeError, OverflowError):  # the key is none, and the core did not take the socket
            if descriptor >= 0:
                os.close(descriptor)
            raise
        except OSError as error:
            self.reset(key)
            raise TransportError(self.reason or str(error), peer=self.peer) from error
        self._relayed.add(key)

    @property
    def streams(self) -> int:
        """Streams in use here: those that have a relay, and those of Python code."""
        return len(self._relayed) + len(self._owned)

    def relayed(self) -> tuple[int, int]:
        """Bytes that its living relays have moved to and from the streams."""
        counts = [self._driver.core.relayed(key) or (0, 0) for key in self._relayed]
        return sum(sent for sent, _ in counts), sum(received for _, received in counts)

    def quiet_relays(self, quiet: float) -> list[StreamKey]:
        """Relays that have moved nothing for ``quiet`` seconds, while nothing is on its way."""
        if not (self.silent or self._driver.core.is_drained(self.key)):
            return []
        idle = self._driver.core.relay_idle
        return [key for key in self._relayed if (idle(key) or 0.0) >= quiet]

    def reset(self, key: StreamKey) -> None:
        """Break a stream off, with its relay if it has one."""
        self._watched.pop(key, None)
        self._driver.core.abort_relay(key)
        self._driver.core.reset(key)
        self._driver.wake()

    @property
    def is_closed(self) -> bool:
        """Whether the session is over."""
        return self.closed.is_set()

    @property
    def local(self) -> Address:
        """This end: the address that its socket is bound to."""
        return Address(*self._driver.core.local_address(self.key[0]))

    @property
    def smux_version(self) -> int | None:
        """1 or 2; None until a server has learned it from the first frame."""
        info = self._driver.core.session_info(self.key)
        version = info and info["smux_version"]
        return int(version) if version else None

    def close(self) -> None:
        """End the session at once, without a word to the peer; its streams break."""
        self._driver.core.close_session(self.key)
        self._driver.wake()

    async def aclose(self, within: float = FLUSH) -> None:
        """End the session: what finished streams wrote is delivered, open streams are broken off.

        Args:
            within: Seconds that the peer gets to acknowledge that.
        """
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._take_leave()
        finally:
            self.close()
        await self.closed.wait()

    @property
    def is_idle(self) -> bool:
        """Whether no stream is open in any direction, and all that was written is acknowledged."""
        info = self._driver.core.session_info(self.key)
        return info is None or (not info["streams"] and self._driver.core.is_drained(self.key))

    async def drain(self) -> None:
        """Wait until all that was written is acknowledged, or the peer is silent."""
        while not (self.silent or self._driver.core.is_drained(self.key)):
            await self._driver.next_turn()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _take_leave(self) -> None:
        for key in self._relayed.copy():
            self.reset(key)
        self._abort(stream for stream in self._owned.values() if not stream.is_finished)
        await self.drain()
        self._abort(self._owned.values())
        await self.drain()

    def _abort(self, streams: Iterable[Stream]) -> None:
        for stream in tuple(streams):
            stream.abort()

    def _forget(self, stream: StreamKey) -> None:
        self._owned.pop(stream, None)

    # --- SessionOwner ---------------------------------------------------------------------

    def on_closed(self, reason: str) -> None:
        """The core has ended the session."""
        self.reason = reason
        if self._carrier:
            self._carrier.close()
        for stream in tuple(self._owned.values()):
            stream.on_lost(reason)
        watched, self._watched = self._watched, {}
        for on_lost in watched.values():
            on_lost()
        self.closed.set()
        if self.on_end:
            self.on_end(self)

    def on_moved(self, host: str, port: int) -> None:
        """The peer has got another address, and proved it."""
        now = str(Address(host, port))
        _log.info("%s has moved to %s", self.peer, now)
        self.peer = now

    def on_silent(self, *, heard: bool) -> None:
        """The peer has stopped answering, or never began."""
        self.silent = True
        self.heard = heard
        if self.on_silence:
            self.on_silence(self)

    def on_recovered(self) -> None:
        """The peer answers again."""
        self.silent = False
        self.heard = True

    def on_fec_mismatch(self, theirs: Shards | None) -> None:
        """The peer's FEC numbers are not ours, so we send without."""
        if self.on_mismatch:
            self.on_mismatch(self, theirs)

    def on_stream_opened(self, stream: StreamKey) -> None:
        """The peer opened a stream; without anyone who wants it, it is broken off."""
        if self._on_stream:
            self._on_stream(self, stream)
        else:
            self.reset(stream)

    def on_stream_change(self, stream: StreamKey) -> None:
        """A stream without relay can be read or written."""
        if owned := self._owned.get(stream):
            owned.on_change()

    def on_stream_finished(self, stream: StreamKey) -> None:
        """The peer ended a stream without relay cleanly."""
        if owned := self._owned.get(stream):
            owned.on_finished()

    def on_stream_reset(self, stream: StreamKey) -> None:
        """The peer broke off a stream without relay."""
        if owned := self._owned.get(stream):
            owned.on_lost("reset by the other end")
        if on_lost := self._watched.pop(stream, None):
            on_lost()


async def wait_idle(sessions: Callable[[], Iterable[Session]]) -> None:
    """Wait until no stream of any session is in use."""
    while any(session.streams for session in sessions()):  # noqa: ASYNC110 - sessions come and go
        await asyncio.sleep(_LOOK)
