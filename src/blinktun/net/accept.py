"""The one accept loop: bare sockets, accepted and handed over."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.net.limits import descriptors_for_connections, has_room
from blinktun.net.listen import is_everywhere, listen_tcp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = logging.getLogger("blinktun.tcp")

_ACCEPTS = 64
"""Connections taken before the event loop goes on."""
_PAUSE = 0.1
"""Seconds without accepting when the process has no descriptors to spare."""
_COMPLAINT_PAUSE = 60.0
"""Seconds between two log lines about that."""


class Acceptor:
    """Accepts the connections of listening sockets and hands them over bare.

    It accepts only while the reserve of descriptors is whole. Connections wait in the system's
    queue meanwhile, and it looks again ten times a second.

    Args:
        bound: Listening and non-blocking; closed by `close`.
        on_connection: Gets each connection, blocking as Python makes it.
    """

    def __init__(
        self, bound: Sequence[socket.socket], on_connection: Callable[[socket.socket], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_connection = on_connection
        self._resume: asyncio.TimerHandle | None = None
        self._sockets = tuple(bound)
        self._limit = descriptors_for_connections() - 1
        self._watch()

    def close(self) -> None:
        """Accept no more."""
        if self._resume:
            self._resume.cancel()
        sockets, self._sockets = self._sockets, ()
        for bound in sockets:
            self._loop.remove_reader(bound)
            bound.close()

    def _watch(self) -> None:
        self._resume = None
        if self._sockets and not has_room(self._sockets[0].fileno()):
            self._pause()
            return
        for bound in self._sockets:
            self._loop.add_reader(bound, self._accept, bound)

    def _accept(self, bound: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                connection, _peer = bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            number = connection.fileno()
            self._on_connection(connection)
            if bound.fileno() < 0:  # closed by who got it
                return
            if number >= self._limit:  # the last one for now
                self._pause()
                return

    def _pause(self, error: OSError | None = None) -> None:
        """Wait for descriptors: the waiting connection would wake us again at once."""
        _complain(error)
        for bound in self._sockets:
            self._loop.remove_reader(bound)
        self._resume = self._loop.call_later(_PAUSE, self._watch)


class TcpListener(Acceptor):
    """Accepts TCP connections at every address of a host.

    Raises:
        TransportError: the address cannot be bound.
    """

    def __init__(self, address: Address, on_connection: Callable[[socket.socket], None]) -> None:
        sockets = listen_tcp(address)
        self._everywhere = is_everywhere(address.host)
        super().__init__(sockets, on_connection)

    @property
    def addresses(self) -> Sequence[Address]:
        """Where it listens."""
        return [Address(*bound.getsockname()[:2]) for bound in self._sockets]

    @property
    def address(self) -> Address:
        """The first of them, or the one that stands for all."""
        first = self.addresses[0]
        return Address("::", first.port) if self._everywhere else first

    def __str__(self) -> str:
        if self._everywhere:
            return str(self.address)
        return " and ".join(map(str, self.addresses))


_complained: float | None = None


def _complain(error: OSError | None) -> None:
    global _complained  # noqa: PLW0603 - one line a minute for the process
    now = time.monotonic()
    if _complained is not None and now < _complained + _COMPLAINT_PAUSE:
        return
    _complained = now
    reason = error.strerror if error else "too many descriptors are in use"
    _log.error("new connections wait: %s; raise the limit (ulimit -n, LimitNOFILE)", reason)


def has_left(connection: socket.socket) -> bool:
    """Whether the peer of an accepted connection, of which nothing has been read, is gone.

    One that has sent something and then ended its direction may still wait for an answer.
    """
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return True
