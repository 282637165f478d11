"""One KCP conversation and its streams."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, assert_never

from blinktun._core import (
    CloseReason,
    DatagramClass,
    FlowEnded,
    FlowOpened,
    FlowReadable,
    FlowWritable,
    RelayEnd,
    SessionClosed,
    SessionFecMismatch,
    SessionLimited,
    SessionMoved,
    SessionRecovered,
    SessionSilent,
    StreamClass,
    StreamFinished,
    StreamOpened,
    StreamReadable,
    StreamReset,
    StreamWritable,
)
from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.kcp.driver import CoreFailed
from blinktun.kcp.flow import Flow
from blinktun.kcp.limit import explain, remedy
from blinktun.kcp.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    from blinktun._core import LimitKind, RelayFinished, SessionEvent, SessionStats
    from blinktun.kcp.driver import Driver
    from blinktun.kcp.keys import FlowKey, SessionKey, StreamKey
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
        end: How it ended, for programs to decide on; None if the core has failed.
        reason: Why the session ended, if that ended the relay.
    """

    sent: int
    received: int
    error: str | None
    connected: bool = True
    end: RelayEnd | None = None
    reason: CloseReason | None = None


class Session:
    """A conversation with one peer, dialled or accepted.

    ``async with`` ends it as `aclose` does.

    Attributes:
        peer: The other end, as text.
        alternatives: How many other addresses the server's name has.
        host: The IP address that was dialled; empty in a session that was accepted.
        on_wake: Told how many seconds the machine has slept, if it has.
        silent: Data in flight has made no progress for a second or more.
        heard: The peer has answered at least once.
        born: When it was made, on the event loop's clock.
        on_flow: Gets each flow of datagrams that the peer opens; None: they are refused.
        closed: Set when it is over.
        reason: Why it is over, in words; empty while it lives.
        close_reason: The same for programs to decide on; None also after a failure of the core.
    """

    def __init__(
        self,
        driver: Driver,
        key: SessionKey,
        peer: str,
        *,
        on_stream: Callable[[Session, StreamKey], None] | None = None,
        on_flow: Callable[[Session, FlowKey], None] | None = None,
        carrier: Carrier | None = None,
        alternatives: int = 0,
        host: str = "",
    ) -> None:
        self._driver = driver
        self.key = key
        self.peer = peer
        self.alternatives = alternatives
        self.host = host
        self.silent = False
        self.heard = False
        self.born = asyncio.get_running_loop().time()
        self.closed = asyncio.Event()
        self.reason = ""
        self.close_reason: CloseReason | None = None
        self.on_silence: Callable[[Session], None] | None = None
        self.on_mismatch: Callable[[Session, Shards | None], None] | None = None
        self.on_end: Callable[[Session], None] | None = None
        self.on_wake: Callable[[Session, float], None] | None = None
        self._on_stream = on_stream
        self.on_flow = on_flow
        self._carrier = carrier
        self._owned: dict[StreamKey, Stream] = {}
        self._relayed: set[StreamKey] = set()
        self._watched: dict[StreamKey, Callable[[], object]] = {}
        self._flows: dict[FlowKey, Flow] = {}
        self._joined: dict[FlowKey, Callable[[], object]] = {}
        driver.sessions[key] = self
        if host:
            driver.roaming.add(self)

    def open_stream(self, class_: StreamClass = StreamClass.LEARNED) -> Stream:
        """Open a stream to read and write.

        Args:
            class_: How soon it has its turns among the streams of this session, at both ends if the
                peer is a blinktun; `Stream.class_` changes it.

        Raises:
            TransportError: the session is over, or has as many streams as it can.
        """
        return self.adopt(self.open_key(class_))

    def open_key(self, class_: StreamClass = StreamClass.LEARNED) -> StreamKey:
        """Open a stream for `relay`; arguments and errors as of `open_stream`."""
        self._check()
        try:
            key = self._driver.core.open_stream(self.key, class_)
        except OSError as error:
            raise TransportError(self.reason or str(error), peer=self.peer) from error
        self._driver.wake()
        return key

    @property
    def takes_datagrams(self) -> bool | None:
        """Whether the peer takes datagrams, as a blinktun may; None while it has not said.

        False when the session is over.
        """
        if self.is_closed:
            return False
        try:
            return self._driver.core.takes_datagrams(self.key)
        except OSError:
            return False

    def open_flow(self, class_: DatagramClass = DatagramClass.PLAIN, *, label: bytes = b"") -> Flow:
        """Open a flow of datagrams. The first one that arrives opens it at the peer.

        Args:
            class_: What is done for datagrams that the path may lose, in both directions.
            label: At most 255 bytes, which go with each datagram of this end.

        Raises:
            TransportError: the session is over, has 4096 flows, or its peer takes no datagrams.
        """
        return self.adopt_flow(self.open_flow_key(class_, label))

    def open_flow_key(self, class_: DatagramClass, label: bytes) -> FlowKey:
        """Open a flow for a UDP socket; arguments and errors as of `open_flow`."""
        self._check()
        try:
            return self._driver.core.open_flow(self.key, label, class_)
        except OSError as error:
            raise TransportError(self.reason or str(error), peer=self.peer) from error

    def adopt_flow(self, key: FlowKey) -> Flow:
        """The flow ``key`` as one to send and receive.

        Raises:
            TransportError: it is over.
        """
        self._check()
        told = self._driver.core.flow(key)
        if told is None:
            raise TransportError(self.reason or "the flow is over", peer=self.peer)
        flow = self._flows[key] = Flow(self._driver, key, self.peer, told, self._forget_flow)
        return flow

    def flow_label(self, key: FlowKey) -> bytes:
        """What the opener of a flow says of it; empty if it is over."""
        told = self._driver.core.flow(key)
        return told[0] if told else b""

    def join_flow(self, key: FlowKey, on_end: Callable[[], object]) -> None:
        """A UDP socket has the flow ``key``; ``on_end`` is told if another than that ends it."""
        self._joined[key] = on_end

    def end_flow(self, key: FlowKey) -> None:
        """End a flow that a UDP socket has, or that nobody wants."""
        self._joined.pop(key, None)
        if not self.is_closed:
            self._driver.core.end_flow(key)
            self._driver.wake()

    def end_flows(self, reason: str) -> None:
        """End all flows: whoever has one is told, and may open another in another session."""
        joined, self._joined = self._joined, {}
        for key, on_end in joined.items():
            self._driver.core.end_flow(key)
            _tell(on_end)
        for flow in tuple(self._flows.values()):
            self._driver.core.end_flow(flow.key)
            _tell(partial(flow.on_over, reason))
        self._driver.wake()

    @property
    def flows(self) -> int:
        """Flows of datagrams in use here."""
        return len(self._flows) + len(self._joined)

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

        def finished(event: RelayFinished | CoreFailed) -> None:
            self._relayed.discard(key)
            done(_result(event))

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
        if not self.is_closed:
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
        stats = self.stats()
        return stats.smux_version if stats else None

    def stats(self) -> SessionStats | None:
        """How the session stands now, and what it has counted; None when it is over."""
        return None if self.is_closed else self._driver.core.session_stats(self.key)

    def close(self) -> None:
        """End the session at once, without a word to the peer; its streams break."""
        if not self.is_closed:
            self._driver.core.close_session(self.key)
            self._driver.wake()

    async def aclose(self, within: float = FLUSH) -> None:
        """End the session: what finished streams wrote is delivered, open streams are broken off.

        Args:
            within: Seconds that the peer gets to acknowledge that.
        """
        if self.is_closed:
            return
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._take_leave()
        finally:
            self.close()
        await self.closed.wait()

    def hop(self, port: int) -> bool:
        """Go to another port of the server, by a new port of this machine; streams go on.

        It goes as soon as the server has answered there, and stays where it is if nothing comes.

        Returns:
            False if the server does not follow: it is another program, or an older blinktun.
        """
        try:
            return self._driver.core.hop(self.key, self.host, port)
        except OSError as error:  # the system has no socket left
            _log.debug("%s: no hop: %s", self.peer, error)
            return True
        finally:
            self._driver.wake()

    async def next_turn(self) -> None:
        """Wait until the core has had its next turn: something may have come."""
        await self._driver.next_turn()

    @property
    def is_idle(self) -> bool:
        """Whether no stream is open in any direction, and all that was written is acknowledged."""
        stats = self.stats()
        return stats is None or (not stats.streams and self._driver.core.is_drained(self.key))

    async def drain(self) -> None:
        """Wait until all that was written is acknowledged, or the peer is silent."""
        while not (self.is_closed or self.silent or self._driver.core.is_drained(self.key)):
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

    def _check(self) -> None:
        if self.is_closed:
            raise TransportError(self.reason, peer=self.peer)

    def _forget_flow(self, flow: FlowKey) -> None:
        self._flows.pop(flow, None)

    def _forget(self, stream: StreamKey) -> None:
        self._owned.pop(stream, None)

    # --- Traveller ------------------------------------------------------------------------

    def on_network(self) -> None:
        """Another network leads to the server."""
        self._driver.core.renew_paths(self.key[0])
        self._driver.wake()

    def on_resume(self, slept: float) -> None:
        """The machine has slept."""
        if self.on_wake:
            self.on_wake(self, slept)
        if not self.is_closed:
            self.on_network()

    # --- SessionOwner ---------------------------------------------------------------------

    def on_event(self, event: SessionEvent | CoreFailed) -> None:
        """Something happened to the session or a stream of it."""
        match event:
            case SessionClosed(_, reason):
                self._end(reason.value, reason)
            case CoreFailed(error):
                self._end(str(error), None)
            case SessionMoved(_, host, port):
                self._move(str(Address(host, port)))
            case SessionSilent(_, heard):
                self._note_silence(heard=heard)
            case SessionRecovered():
                self.silent, self.heard = False, True
            case SessionFecMismatch(_, theirs):
                if self.on_mismatch:
                    self.on_mismatch(self, theirs)
            case SessionLimited(_, kind):
                self._report_limit(kind)
            case FlowOpened() | FlowReadable() | FlowWritable() | FlowEnded():
                self._on_flow_event(event)
            case _:
                self._on_stream_event(event)

    def _on_flow_event(self, event: FlowOpened | FlowReadable | FlowWritable | FlowEnded) -> None:
        key = event.flow
        match event:
            case FlowReadable() | FlowWritable():
                if flow := self._flows.get(key):
                    flow.on_change()
            case FlowEnded():
                if flow := self._flows.get(key):
                    flow.on_over()
                if on_end := self._joined.pop(key, None):
                    on_end()
            case FlowOpened():
                if self._driver.core.flow(key) is None:
                    return  # it has ended already, which the next event says
                if self.on_flow:
                    self.on_flow(self, key)
                else:
                    self.end_flow(key)  # nobody wants it
            case _:
                assert_never(event)

    def _on_stream_event(
        self,
        event: StreamOpened | StreamReadable | StreamWritable | StreamFinished | StreamReset,
    ) -> None:
        owned = self._owned.get(event.stream)
        match event:
            case StreamReadable() | StreamWritable():
                if owned:
                    owned.on_change()
            case StreamFinished():
                if owned:
                    owned.on_finished()
            case StreamReset(stream):
                if owned:
                    owned.on_lost(RelayEnd.PEER_RESET.value)
                if on_lost := self._watched.pop(stream, None):
                    on_lost()
            case StreamOpened(stream):
                if self._on_stream:
                    self._on_stream(self, stream)
                else:
                    self.reset(stream)  # nobody wants it
            case _:
                assert_never(event)

    def _end(self, reason: str, close_reason: CloseReason | None) -> None:
        """The core has ended the session: from now on it is not asked any more."""
        self.reason, self.close_reason = reason, close_reason
        self.closed.set()
        if self.host:
            self._driver.roaming.remove(self)
        streams, flows = tuple(self._owned.values()), tuple(self._flows.values())
        watched, self._watched = self._watched, {}
        joined, self._joined = self._joined, {}
        if self._carrier:
            _tell(self._carrier.close)
        for stream in streams:
            _tell(partial(stream.on_lost, reason))
        for flow in flows:
            _tell(partial(flow.on_over, reason))
        for on_lost in (*watched.values(), *joined.values()):
            _tell(on_lost)
        if self.on_end:
            _tell(partial(self.on_end, self))

    def _move(self, now: str) -> None:
        """The peer has another address, and proved it."""
        is_same_host = Address.parse(self.peer).host == Address.parse(now).host
        level = logging.DEBUG if is_same_host else logging.INFO  # hops are many
        _log.log(level, "%s has moved to %s", self.peer, now)
        self.peer = now

    def _report_limit(self, kind: LimitKind) -> None:
        """This has held the session back for seconds: say so if somebody can change it."""
        if stats := self.stats():
            for limit in (stats.limit, stats.receiving_limit):
                if limit and limit.kind is kind and (fix := remedy(limit)):
                    _log.info("%s: %s; %s", self.peer, explain(limit), fix)

    def _note_silence(self, *, heard: bool) -> None:
        """The peer has stopped answering, or never began."""
        self.silent = True
        self.heard = heard
        if self.on_silence:
            self.on_silence(self)


def _tell(whom: Callable[[], object]) -> None:
    """Say that something is over; the bug of one who is told must not stop the others."""
    try:
        whom()
    except Exception:
        _log.exception("bug: one who was told of an end failed")


def _result(event: RelayFinished | CoreFailed) -> RelayResult:
    if isinstance(event, CoreFailed):
        return RelayResult(0, 0, str(event.error))
    return RelayResult(
        event.sent, event.received, event.error, event.connected, event.end, event.reason
    )


async def wait_idle(sessions: Callable[[], Iterable[Session]]) -> None:
    """Wait until no stream of any session is in use."""
    while any(session.streams for session in sessions()):  # noqa: ASYNC110 - sessions come and go
        await asyncio.sleep(_LOOK)
