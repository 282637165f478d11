"""Runs the core's reactor in an asyncio event loop.

One callback watches the reactor's descriptor. On Linux that is readable at each deadline too; on
other systems a timer waits for the next one. After each turn every event goes to whoever owns its
session, relay or socket; an owner that raises is logged with its traceback, and the others have
their turn. A driver ends with its event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, assert_never

from blinktun._core import (
    PortEvent,
    Reactor,
    RelayFinished,
    SessionClosed,
    SessionEvent,
    SessionOpened,
    SocketEvent,
)
from blinktun.errors import InternalError
from blinktun.kcp.roaming import Roaming

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from blinktun._core import Event
    from blinktun.kcp.keys import SessionKey, StreamKey
    from blinktun.state.openings import Openings

_log = logging.getLogger("blinktun.kcp")

EventT = TypeVar("EventT")


@dataclass(frozen=True, slots=True)
class CoreFailed:
    """The core has failed: every session and relay is over, and no other event follows.

    Attributes:
        error: What it failed with.
    """

    error: InternalError


class SessionOwner(Protocol):
    """Whoever a session's events go to."""

    def on_event(self, event: SessionEvent | CoreFailed) -> None:
        """Something happened to the session or a stream of it."""


class SocketOwner(Protocol):
    """Whoever the events of a listening socket go to."""

    def on_event(self, event: SocketEvent) -> None:
        """Something happened on the socket."""


class PortOwner(Protocol):
    """Whoever has a UDP socket that is joined with flows of datagrams."""

    def on_event(self, event: PortEvent) -> None:
        """Something happened on the socket."""

    def on_closed(self) -> None:
        """The driver has closed the socket."""


class Driver:
    """The reactor of one event loop, and who owns what in it.

    Attributes:
        buffer_is_reported: The log says that the system grants too small socket buffers.
        roaming: The dialled sessions, which another network concerns.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.core = Reactor()
        self.sessions: dict[SessionKey, SessionOwner] = {}
        self.sockets: dict[int, SocketOwner] = {}
        self.ports: dict[int, PortOwner] = {}
        self.openings: set[Openings] = set()
        self._relays: dict[int, Callable[[RelayFinished | CoreFailed], None]] = {}
        self._tokens = itertools.count(1)
        self.buffer_is_reported = False
        self.roaming = Roaming()
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._soon = False
        self._closed = False
        self._watching: list[asyncio.Future[None]] = []
        loop.add_reader(self.core.fileno(), self._turn)
        self._end = _until_loop_ends(self)
        with contextlib.suppress(StopIteration):  # it has reached its yield
            self._end.__anext__().send(None)

    @classmethod
    def current(cls) -> Driver:
        """The driver of the running event loop, made on first use."""
        loop = asyncio.get_running_loop()
        driver = _drivers.get(loop)
        if driver is None:
            for old in [old for old in _drivers if old.is_closed()]:
                _drivers[old].close()  # it was closed without an orderly shutdown
            driver = _drivers[loop] = cls(loop)
        return driver

    @property
    def relays(self) -> int:
        """Relays that are at work."""
        return len(self._relays)

    def close(self) -> None:
        """End all sessions and relays, close all sockets, let go of the event loop."""
        if self._closed:
            return
        self._let_go()
        with contextlib.suppress(InternalError):
            for session in self.sessions:
                self.core.close_session(session)
            for socket in self.sockets:
                self.core.close_endpoint(socket)
            for port in self.ports:
                self.core.close_datagram_port(port)
            ports, self.ports = self.ports, {}
            self._tell_ports(ports)
            if self._loop.is_closed():
                self.core.turn()  # nobody is left who could be told
                return
        self._tell_owners()

    def _let_go(self) -> None:
        self._closed = True
        self.roaming.close()
        _drivers.pop(self._loop, None)
        if self._timer is not None:
            self._timer.cancel()
        if not self._loop.is_closed():
            self._loop.remove_reader(self.core.fileno())

    def wake(self) -> None:
        """Have a turn soon: call it after anything that changes the core."""
        if not self._soon and not self._closed:
            self._soon = True
            self._loop.call_soon(self._turn_soon)

    async def next_turn(self) -> None:
        """Wait until the core has had its next turn."""
        if not self._closed:
            turned = self._loop.create_future()
            self._watching.append(turned)
            await turned

    def relay(
        self,
        stream: StreamKey,
        descriptor: int,
        done: Callable[[RelayFinished | CoreFailed], None],
        *,
        connecting: bool,
    ) -> None:
        """Join a stream and a socket; ``done`` is called at the end.

        Args:
            stream: A stream of a living session.
            descriptor: Owned by the core from now on, unless an argument is of a wrong type.
            done: Gets the byte counts and how it ended.
            connecting: The socket is non-blocking and still being connected.

        Raises:
            OSError: the session is gone.
        """
        token = next(self._tokens)
        self.core.relay(stream, descriptor, token, connecting)
        self._relays[token] = done
        self.wake()

    def _turn_soon(self) -> None:
        self._soon = False
        self._turn()

    def _turn(self) -> None:
        if self._closed:
            return
        self._tell_owners()
        self._arm()

    def _tell_owners(self) -> None:
        try:
            events = self.core.turn()
        except InternalError as error:
            _log.critical("%s; every session is over, and nothing listens any more", error)
            self._let_go()
            self._tell_of_failure(CoreFailed(error))
            events = []
        for openings in self.openings:
            openings.save()  # before anyone serves what was opened
        for event in events:
            self._tell(self._dispatch, event)
        turned, self._watching = self._watching, []
        for watcher in turned:
            if not watcher.done():
                watcher.set_result(None)

    def _tell(self, owner: Callable[[EventT], None], event: EventT) -> None:
        try:
            owner(event)
        except Exception:  # a bug of one owner must not stop the others
            _log.exception("bug: the owner of an event failed (%s)", type(event).__name__)

    def _tell_of_failure(self, failure: CoreFailed) -> None:
        """Tell every owner: the core says nothing any more."""
        ports, self.ports = self.ports, {}  # so that nobody asks the core to close one
        relays, self._relays = self._relays, {}
        sessions, self.sessions = self.sessions, {}
        for done in relays.values():
            self._tell(done, failure)
        for session in sessions.values():
            self._tell(session.on_event, failure)
        self._tell_ports(ports)

    def _tell_ports(self, ports: Mapping[int, PortOwner]) -> None:
        for port in ports.values():
            try:
                port.on_closed()
            except Exception:  # as in `_tell`
                _log.exception("bug: the owner of a UDP socket failed")

    def _arm(self) -> None:
        if self._closed:
            return
        timeout = self.core.next_timeout()
        if timeout is None:
            return
        if timeout <= 0:
            self.wake()
            return
        at = self._loop.time() + timeout
        # A timer that fires early costs one empty turn; re-arming on each turn costs more.
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._turn()

    def _dispatch(self, event: Event) -> None:
        """Hand an event to its owner, who may be gone: then nobody is told."""
        if isinstance(event, SessionEvent):
            owner = self.sessions.get(event.session)
            if isinstance(event, SessionClosed):
                self.sessions.pop(event.session, None)
            if owner:
                owner.on_event(event)
        elif isinstance(event, RelayFinished):
            self._relays.pop(event.token)(event)
        elif isinstance(event, PortEvent):
            if port := self.ports.get(event.datagram_port):
                port.on_event(event)
        elif isinstance(event, SocketEvent):
            key = event.session[0] if isinstance(event, SessionOpened) else event.endpoint
            if socket := self.sockets.get(key):
                socket.on_event(event)
        else:
            assert_never(event)


async def _until_loop_ends(driver: Driver) -> AsyncGenerator[None]:
    """Waits at its yield: an orderly end of an event loop finishes the generators begun in it."""
    try:
        yield
    finally:
        driver.close()


_drivers: dict[asyncio.AbstractEventLoop, Driver] = {}
