"""Connecting to TCP addresses and names; breaking connections off."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import struct
import time
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from blinktun.errors import AccessDenied, TransportError
from blinktun.net.happy_eyeballs import Closable, first_to_connect
from blinktun.net.limits import keep_reserve
from blinktun.net.resolve import ResolveError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from blinktun.address import Address
    from blinktun.net.resolve import Resolver

    SocketName = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]

_log = logging.getLogger("blinktun.net")

_C = TypeVar("_C", bound=Closable)

Permits: TypeAlias = "Callable[[Address, str], bool]"
"""Whether a target may be reached at one of its IP addresses."""

DIAL_TIMEOUT = 10.0
"""Seconds that a target may take to answer, its name and all its addresses together."""
_LINGER_NOT = struct.pack("ii", 1, 0)


def begin_dial(address: Address) -> socket.socket:
    """A TCP socket that is connecting to an IP address; its relay learns how that ends.

    It gives up after 15 s without an answer (Linux).

    Raises:
        TransportError: the system has no socket or no route.
    """
    try:
        made, where = _socket_for(address.host, address.port)
    except OSError as error:  # a scope that does not exist is one as well
        raise TransportError(_reason(error), peer=str(address)) from error
    with contextlib.suppress(OSError, AttributeError):  # elsewhere the system's own patience holds
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 3)
    code = made.connect_ex(where)
    if code not in {0, errno.EINPROGRESS}:
        made.close()
        raise TransportError(os.strerror(code).lower(), peer=str(address))
    return made


async def dial(
    address: Address,
    resolver: Resolver,
    connect: Callable[[str, int], Awaitable[_C]],
    permits: Permits | None = None,
) -> _C:
    """A connection to the first address of the host that answers.

    Args:
        address: Where to.
        resolver: Finds the addresses.
        connect: Connects to an IP address and a port; raises ``OSError``.
        permits: Asked before each address is tried; None: all may be.

    Raises:
        AccessDenied: ``permits`` leaves no address.
        TransportError: there is no address, or none answers within 10 s; the cause says why.
    """
    began = time.monotonic()
    try:
        async with asyncio.timeout(DIAL_TIMEOUT):
            ips = await resolver.resolve(address.host or "localhost")
            if permits:
                ips = [ip for ip in ips if permits(address, ip)]
                if not ips:
                    banned = f"refused: {address.host} leads to addresses that are not allowed"
                    raise AccessDenied(banned)
            found = time.monotonic()
            made = await first_to_connect(ips, lambda ip: connect(ip, address.port))
    except (OSError, ValueError) as error:  # out of time as well; a name that no resolver takes
        if not isinstance(error, ResolveError):  # that one is remembered for a while
            resolver.forget(address.host)
        raise TransportError(_reason(error), peer=str(address)) from error
    _log.debug(
        "%s: its addresses (%s) were found after %.3f s, one was connected to after %.3f s",
        address, ", ".join(ips), found - began, time.monotonic() - began,
    )  # fmt: skip
    return made


async def connect_socket(ip: str, port: int) -> socket.socket:
    """A connected, non-blocking TCP socket.

    Raises:
        OSError: the connection fails.
    """
    made, where = _socket_for(ip, port)
    try:
        code = made.connect_ex(where)
        if code == errno.EINPROGRESS:
            await _writable(made)
            code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    except BaseException:
        made.close()
        raise
    if code:
        made.close()
        raise OSError(code, os.strerror(code))
    return made


def reset(connection: socket.socket) -> None:
    """Close so that the application sees a reset, not an end."""
    linger_not(connection)
    connection.close()


def linger_not(connection: socket.socket) -> None:
    """Let the close to come send RST in place of FIN."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)


def numeric(host: str, port: int) -> tuple[int, SocketName]:
    """The family of an IP address, and its socket name: for IPv6 that carries the scope."""
    flags = socket.AI_NUMERICHOST
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return found[0][0], found[0][4]


def _socket_for(ip: str, port: int) -> tuple[socket.socket, SocketName]:
    """A non-blocking socket that can be connected to an IP address, and that address's name."""
    family, where = numeric(ip, port)
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    return keep_reserve(made), where


async def _writable(connecting: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()
    loop.add_writer(connecting, _wake, waiter)
    try:
        await waiter
    finally:
        loop.remove_writer(connecting)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _reason(failure: Exception) -> str:
    number = getattr(failure, "errno", None) or 0
    if number in errno.errorcode:
        return os.strerror(number).lower()  # asyncio writes "Connect call failed" in its place
    text = getattr(failure, "strerror", None) or str(failure)
    return (text or "timed out").lower() if isinstance(failure, OSError) else text
