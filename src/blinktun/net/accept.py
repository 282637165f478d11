"""Plain sockets for relays: accepted and dialled here, then handed to the core."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import os
import socket
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    SocketName = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]

_log = logging.getLogger("blinktun.tcp")

BACKLOG = 1024
"""Connections that may wait to be accepted."""
_ACCEPTS = 64
"""Connections taken before the event loop goes on."""
_PAUSE = 0.1
"""Seconds without accepting when the process has no descriptors left."""
DIAL_TIMEOUT = 10.0
"""Seconds that a target may take to answer."""


_EVERY_IPV6 = ipaddress.IPv6Address("::")


class Acceptor:
    """Accepts the connections of a listening socket and hands them over bare."""

    def __init__(
        self, bound: socket.socket, on_connection: Callable[[socket.socket], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_connection = on_connection
        self._resume: asyncio.TimerHandle | None = None
        self._socket = bound
        self._loop.add_reader(self._socket, self._accept)

    def close(self) -> None:
        """Accept no more."""
        if self._resume:
            self._resume.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _accept(self) -> None:
        for _ in range(_ACCEPTS):
            try:
                connection, _peer = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            self._on_connection(connection)

    def _pause(self, error: OSError) -> None:
        """Out of descriptors: the waiting connection would wake us again at once."""
        _log.error("cannot accept: %s", error.strerror)
        self._loop.remove_reader(self._socket)
        self._resume = self._loop.call_later(
            _PAUSE, self._loop.add_reader, self._socket, self._accept
        )


class TcpListener(Acceptor):
    """Accepts TCP connections.

    Raises:
        TransportError: the address cannot be bound.
    """

    def __init__(self, address: Address, on_connection: Callable[[socket.socket], None]) -> None:
        super().__init__(_listen(address), on_connection)

    @property
    def address(self) -> Address:
        """Where it listens."""
        host, port, *_ = self._socket.getsockname()
        return Address(host, port)


def begin_dial(address: Address) -> socket.socket:
    """A TCP socket that is connecting to an IP address; its relay learns how that ends.

    It gives up after 15 s without an answer (Linux).

    Raises:
        TransportError: the system has no socket or no route.
    """
    try:
        family, where = _numeric(address)
        made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:  # a scope that does not exist is one as well
        raise TransportError(error.strerror or str(error), peer=str(address)) from error
    with contextlib.suppress(OSError, AttributeError):  # elsewhere the system's own patience holds
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 3)
    code = made.connect_ex(where)
    if code not in {0, errno.EINPROGRESS}:
        made.close()
        raise TransportError(os.strerror(code), peer=str(address))
    return made


async def dial(address: Address) -> socket.socket:
    """A connected, non-blocking TCP socket.

    Raises:
        TransportError: none of the host's addresses answers within 10 s.
    """
    loop = asyncio.get_running_loop()
    failure: Exception = TransportError("has no address")
    try:
        async with asyncio.timeout(DIAL_TIMEOUT):
            for family, where in await _candidates(address):
                made = socket.socket(family, socket.SOCK_STREAM)
                made.setblocking(False)
                try:
                    await loop.sock_connect(made, where)
                except OSError as error:
                    made.close()
                    failure = error
                except BaseException:
                    made.close()
                    raise
                else:
                    return made
    except (OSError, ValueError) as error:  # out of time; a name that does not resolve
        failure = error
    raise TransportError(_reason(failure), peer=str(address)) from failure


def _reason(failure: Exception) -> str:
    number = getattr(failure, "errno", None) or 0
    if number in errno.errorcode:
        return os.strerror(number)  # asyncio writes "Connect call failed" in its place
    return getattr(failure, "strerror", None) or str(failure) or "timed out"


def reset(connection: socket.socket) -> None:
    """Close so that the application sees a reset, not an end."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    connection.close()


_LINGER_NOT = (1).to_bytes(4, "little") + bytes(4)


async def _candidates(address: Address) -> list[tuple[int, SocketName]]:
    if address.ip is not None:
        return [_numeric(address)]
    loop = asyncio.get_running_loop()
    host = address.host or "localhost"
    found = await loop.getaddrinfo(host, address.port, type=socket.SOCK_STREAM)
    return [(entry[0], entry[4]) for entry in found]


def _numeric(address: Address) -> tuple[int, SocketName]:
    """The family of an IP address, and its socket name: for IPv6 that carries the scope."""
    flags = socket.AI_NUMERICHOST
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=flags)
    return found[0][0], found[0][4]


def _listen(address: Address) -> socket.socket:
    try:
        if not address.host or address.ip == _EVERY_IPV6:
            return _listen_everywhere(address.port)
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        family, where = found[0][0], found[0][4]
        made = socket.create_server(where, family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or str(error)
        raise TransportError(f"cannot listen on tcp {address}: {reason}") from error
    made.setblocking(False)
    return made


def _listen_everywhere(port: int) -> socket.socket:
    """Both families, as the Go program's ``:port`` and ``[::]:port`` mean."""
    try:
        made = socket.create_server(
            ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
        )
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise
        made = socket.create_server(("", port), backlog=BACKLOG)
    made.setblocking(False)
    return made
