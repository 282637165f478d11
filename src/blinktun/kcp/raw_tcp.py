"""The kernel's part of datagrams disguised as TCP segments (kcptun wire, 8.9).

A real TCP connection stands behind every peer, so that the two systems and whatever is between them
know of one. It is kept open and silent, and what the kernel reads from it is thrown away: the core
takes the same segments from a raw socket, and makes its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import resource
import socket
import sys
from typing import TYPE_CHECKING, Literal, TypeAlias

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.kcp.firewall import RIGHTS, TTL, Fence, Rule
from blinktun.net.accept import Acceptor
from blinktun.net.dial import reset
from blinktun.net.listen import BACKLOG

if TYPE_CHECKING:
    from blinktun._core import Config
    from blinktun.kcp.driver import Driver
    from blinktun.kcp.firewall import Runner
    from blinktun.kcp.keys import SessionKey

_log = logging.getLogger("blinktun.kcp")

IDLE = 60.0
"""Seconds without traffic after which a server forgets a peer."""
MAX_CONNECTIONS = 4096
"""Connections of a port, and half of what the process may open."""
_LOOK = 10.0
"""Seconds between looks for idle peers."""
_DIAL_TIMEOUT = 10.0
_GULP = 65536
"""Bytes that gather before they are thrown away."""

_Peer: TypeAlias = "tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]"


def check_rights(host: str, run: Runner | None = None) -> None:
    """Try what a client will need, and leave no trace.

    Args:
        host: The server; its family is that of an IPv6 address, else IPv4.
        run: Runs the firewall's tool.

    Raises:
        TransportError: it is not Linux, a right or the firewall's tool is missing.
    """
    family = _family(host) if ":" in host else 4
    try:
        socket.socket(_AF[family], socket.SOCK_RAW, socket.IPPROTO_TCP).close()
    except OSError as error:
        raise _refusal(error, "") from error
    Fence(Rule(family, 0), run).lift()  # nothing has port 0


async def dial_tcp(
    driver: Driver, host: str, port: int, config: Config, run: Runner | None = None
) -> tuple[SessionKey, Carrier]:
    """Begin a session over a TCP connection to an IP address.

    Returns:
        The session, and its connection, to be closed with it.

    Raises:
        TransportError: nothing listens there, a right or the firewall's tool is missing.
    """
    family = _family(host)
    made = socket.socket(_AF[family], socket.SOCK_STREAM)
    with contextlib.ExitStack() as undo:
        undo.callback(made.close)
        try:
            made.setblocking(False)
            made.bind((_source(family, host, port), 0))
            local: tuple[str, int] = made.getsockname()[:2]
            key = driver.core.dial_tcp(local, host, port, config)
            undo.callback(driver.core.close_endpoint, key[0])
            fence = Fence(Rule(family, local[1], local[0], (host, port)), run)
            undo.callback(fence.lift)
            async with asyncio.timeout(_DIAL_TIMEOUT):
                await asyncio.get_running_loop().sock_connect(made, (host, port))
        except OSError as error:  # out of time as well
            raise _refusal(error, str(Address(host, port))) from error
        carrier = Carrier(made, fence)
        undo.pop_all()
    return key, carrier


class Carrier:
    """A TCP connection that is open and silent; what arrives on it is thrown away.

    Args:
        connection: Taken over.
        fence: Lifted behind it; None: the port's own keeps it silent.
    """

    def __init__(self, connection: socket.socket, fence: Fence | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._fence = fence
        connection.setblocking(False)
        _hush(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, _GULP)
        self._loop.add_reader(connection, self._throw_away)

    def close(self) -> None:
        """Close it; a second call does nothing."""
        self._stop_reading()
        reset(self._connection)  # no goodbye that would be repeated
        if self._fence:
            self._fence.lift()

    def _throw_away(self) -> None:
        try:
            if self._connection.recv(_GULP):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            _log.debug("a disguised connection broke: %s", error)
        self._stop_reading()  # it has ended; whether datagrams still come is another matter

    def _stop_reading(self) -> None:
        if self._connection.fileno() >= 0 and not self._loop.is_closed():
            self._loop.remove_reader(self._connection)


class TcpPort:
    """A TCP port of one address family on which sessions are accepted.

    Made, it is bound and fenced; `listen` opens it.

    Raises:
        TransportError: it cannot be bound, a right or the firewall's tool is missing.
    """

    def __init__(
        self, driver: Driver, host: str, port: int, config: Config, run: Runner | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._core = driver.core
        self._carriers: dict[_Peer, Carrier] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._acceptor: Acceptor | None = None
        self._max = min(MAX_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        family = _family(host)
        where = Address(host, port)
        with contextlib.ExitStack() as undo:
            try:
                self._socket = undo.enter_context(_bind(family, host, port))
                self.port: int = self._socket.getsockname()[1]
                self.endpoint = self._core.listen_tcp(host, self.port, config)
            except OSError as error:
                raise _refusal(error, f"cannot listen on tcp {where}") from error
            undo.callback(self._core.close_endpoint, self.endpoint)
            anywhere = ipaddress.ip_address(host).is_unspecified
            self._fence = Fence(Rule(family, self.port, "" if anywhere else host), run)
            undo.pop_all()

    def listen(self) -> None:
        """Accept connections from now on.

        Raises:
            TransportError: the system does not allow it.
        """
        try:
            self._socket.listen(BACKLOG)
        except OSError as error:
            raise _refusal(error, f"cannot listen on tcp port {self.port}") from error
        self._acceptor = Acceptor([self._socket], self._admit)
        self._timer = self._loop.call_later(_LOOK, self._forget_idle)

    def close(self) -> None:
        """End all connections, and take the fence away; a second call does nothing."""
        if self._timer:
            self._timer.cancel()
        if self._acceptor:
            self._acceptor.close()
        self._socket.close()
        for carrier in self._carriers.values():
            carrier.close()
        self._carriers.clear()
        self._core.close_endpoint(self.endpoint)
        self._fence.lift()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._carriers)

    def _admit(self, connection: socket.socket) -> None:
        try:
            host, port = connection.getpeername()[:2]
            peer = ipaddress.ip_address(host.partition("%")[0]), port
            if old := self._carriers.pop(peer, None):
                old.close()
            local = connection.getsockname()[0].partition("%")[0]
            full = len(self._carriers) >= self._max
            if not full and self._core.admit(self.endpoint, local, str(peer[0]), port):
                self._carriers[peer] = Carrier(connection)
                return
        except OSError as error:  # it has ended already
            _log.debug("a disguised connection broke: %s", error)
        connection.close()

    def _forget_idle(self) -> None:
        self._timer = self._loop.call_later(_LOOK, self._forget_idle)
        for host, port in self._core.expire_peers(self.endpoint, IDLE):
            if carrier := self._carriers.pop((ipaddress.ip_address(host), port), None):
                carrier.close()


def _bind(family: Literal[4, 6], host: str, port: int) -> socket.socket:
    made = socket.socket(_AF[family], socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == 6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
    except BaseException:
        made.close()
        raise
    return made


def _hush(connection: socket.socket) -> None:
    """Let what the kernel sends carry the mark that the firewall looks for."""
    if connection.family == socket.AF_INET:
        connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, TTL)
    else:
        connection.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, TTL)


def _source(family: Literal[4, 6], host: str, port: int) -> str:
    """Our address on the way to a host: nothing is sent to find it."""
    with socket.socket(_AF[family], socket.SOCK_DGRAM) as probe:
        probe.connect((host, port))
        return str(probe.getsockname()[0])


def _refusal(error: OSError, where: str) -> TransportError:
    head = f"{where}: " if where else ""
    if sys.platform != "linux":
        return TransportError(f"{head}tcp works on Linux only: leave it out")
    if isinstance(error, PermissionError):
        return TransportError(f"{head}tcp needs raw sockets, and CAP_NET_RAW is missing: {RIGHTS}")
    if isinstance(error, TimeoutError):
        return TransportError(f"{head}no answer to a TCP connection")
    reason = os.strerror(error.errno) if error.errno else str(error)
    return TransportError(f"{head}{reason}")


def _family(host: str) -> Literal[4, 6]:
    return 6 if ":" in host else 4


_AF = {4: socket.AF_INET, 6: socket.AF_INET6}
