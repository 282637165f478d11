"""UDP sockets in Python, for relays of a blinksocks client or server.

On sockets and not on asyncio's datagram transports: those drop empty datagrams before Python 3.13,
and queue without a bound what the system does not take.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from typing import TYPE_CHECKING, NamedTuple, Self

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.net.dial import numeric
from blinktun.net.limits import keep_reserve
from blinktun.net.listen import bind_on_one_port, listen_failure, listen_hosts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BATCH = 64
"""Datagrams received in one go before others have their turn."""
_MAX = 65536
"""More than any datagram holds."""
_BUFFERS = 1 << 20
_ANY_TARGET = 9
"""A route depends on no port number, but some systems connect to none that is 0."""


class UdpSocket:
    """A socket; what the system does not take at once is lost, as it may be on the way.

    Args:
        sock: Bound or connected; owned by this object from then on.
        on_datagram: Gets each datagram and where it came from.
    """

    def __init__(self, sock: socket.socket, on_datagram: Callable[[bytes, Address], None]) -> None:
        self._sock = sock
        self._on_datagram = on_datagram
        self._closed = False
        sock.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _BUFFERS)
        asyncio.get_running_loop().add_reader(sock, self._receive)

    @classmethod
    def listen(cls, address: Address, on_datagram: Callable[[bytes, Address], None]) -> list[Self]:
        """Sockets bound to an address, several if the host is a name or empty.

        Raises:
            TransportError: the address cannot be bound.
        """
        return [cls(sock, on_datagram) for sock in bind(address)]

    @classmethod
    def unbound(cls, ip: str, on_datagram: Callable[[bytes, Address], None]) -> Self:
        """A socket on a port of the system's choice that can reach addresses of ``ip``'s family.

        Raises:
            TransportError: there is none to be had.
        """
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        try:
            sock = keep_reserve(socket.socket(family, socket.SOCK_DGRAM))
            sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))  # noqa: S104
        except OSError as error:
            raise TransportError(f"no UDP socket: {error.strerror}", peer=ip) from error
        return cls(sock, on_datagram)

    @property
    def address(self) -> Address:
        """Where it is bound."""
        return Address(*self._sock.getsockname()[:2])

    def send(self, data: bytes, to: Address) -> None:
        """Send to an IP address, or lose it."""
        if self._closed:
            return
        # Full queues, unreachable networks, too long: all of it is a loss.
        with contextlib.suppress(OSError):
            self._sock.sendto(data, (to.host, to.port))

    def close(self) -> None:
        """Receive no more."""
        if not self._closed:
            self._closed = True
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()

    def _receive(self) -> None:
        for _ in range(_BATCH):
            if self._closed:  # by the receiver of the one before
                return
            try:
                self._receive_one()
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error for an earlier one

    def _receive_one(self) -> None:
        data, name = self._sock.recvfrom(_MAX)
        self._on_datagram(data, Address(name[0], name[1]))


def bind(address: Address) -> list[socket.socket]:
    """Sockets bound to an address, several if the host is a name or empty.

    Raises:
        TransportError: the address cannot be bound.
    """
    try:
        return bind_on_one_port(address, listen_hosts(address), _bound)
    except (OSError, ValueError) as error:
        raise listen_failure("udp", address, error) from error


def routed(ips: Sequence[str]) -> str:
    """The first of these IP addresses that this machine has a route to; if none, the first of all.

    Nothing is sent: the system looks its route up when a UDP socket is connected (RFC 6724, 5).
    """
    for ip in ips if len(ips) > 1 else ():
        with contextlib.suppress(OSError):
            family, where = numeric(ip, _ANY_TARGET)
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(where)
                return ip
    return ips[0]


class Route(NamedTuple):
    """The two ends of an exchange of datagrams.

    Attributes:
        remote: The peer.
        local: Our IP address that the peer sent to; empty where the system does not tell. An answer
            from another address of this machine would reach nothing: firewalls, NATs and careful
            peers drop it.
    """

    remote: Address
    local: str


class _PortSocket(UdpSocket):
    """A socket of a port. One that is bound to every address asks which one a datagram came to."""

    def __init__(self, sock: socket.socket, on_datagram: Callable[[bytes, Route], None]) -> None:
        super().__init__(sock, lambda _data, _source: None)
        self._on_routed = on_datagram
        self._bound = Address(*sock.getsockname()[:2])
        self._asks = _ask_for_local_address(sock, self._bound)

    def answer(self, data: bytes, route: Route) -> None:
        """Send to a peer from the address that it sent to, or lose it."""
        if not (self._asks and route.local):
            self.send(data, route.remote)
            return
        if self._closed:
            return
        try:
            self._sock.sendmsg(
                [data], [_from_address(route.local)], 0, (route.remote.host, route.remote.port)
            )
        except OSError as error:
            if error.errno in _ADDRESS_GONE:
                self.send(data, route.remote)

    def _receive_one(self) -> None:
        if not self._asks:
            data, name = self._sock.recvfrom(_MAX)
            self._on_routed(data, Route(Address(name[0], name[1]), self._bound.host))
            return
        data, ancillary, _, name = self._sock.recvmsg(_MAX, _ANCILLARY)
        self._on_routed(data, Route(Address(name[0], name[1]), _local_address(ancillary)))


_IP_PKTINFO = 8
"""Linux's number; Python has no name for it before 3.14."""
_ANCILLARY = socket.CMSG_SPACE(20) * 2
"""Room for ``in_pktinfo`` (12 bytes) or ``in6_pktinfo`` (20 bytes)."""
_ADDRESS_GONE = frozenset({errno.EINVAL, errno.EADDRNOTAVAIL, errno.ENETUNREACH})
"""What the system says when an address is no longer one of ours."""


def _ask_for_local_address(sock: socket.socket, bound: Address) -> bool:
    """Have the system tell which address each datagram came to; returns whether it will."""
    if sys.platform != "linux" or bound.ip is None or not bound.ip.is_unspecified:
        return False
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    return True


def _local_address(ancillary: list[tuple[int, int, bytes]]) -> str:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
            return socket.inet_ntop(socket.AF_INET, data[4:8])
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return socket.inet_ntop(socket.AF_INET6, data[:16])
    return ""


def _from_address(local: str) -> tuple[int, int, bytes]:
    """The ancillary data that makes a datagram leave from an address (ip(7), ipv6(7))."""
    if ":" in local:
        data = socket.inet_pton(socket.AF_INET6, local) + bytes(4)
        return socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, data
    data = bytes(4) + socket.inet_pton(socket.AF_INET, local) + bytes(4)
    return socket.IPPROTO_IP, _IP_PKTINFO, data


class UdpPort:
    """A port on every address of a host; an answer leaves from the address that was asked.

    Raises:
        TransportError: the address cannot be bound.
    """

    def __init__(self, address: Address, on_datagram: Callable[[bytes, Route], None]) -> None:
        self._sockets = [_PortSocket(sock, on_datagram) for sock in bind(address)]
        self._by_family = {":" in one.address.host: one for one in self._sockets}
        self._by_host = {one.address.host: one for one in self._sockets}
        self.port = self._sockets[0].address.port

    def send(self, data: bytes, route: Route) -> None:
        """Send to a peer, or lose it."""
        own = self._by_host.get(route.local) or self._by_family.get(":" in route.remote.host)
        if own:
            own.answer(data, route)

    def close(self) -> None:
        """Receive no more."""
        for one in self._sockets:
            one.close()


def _bound(host: str, port: int) -> socket.socket:
    family, where = numeric(host, port)
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(where)
    except OSError:
        made.close()
        raise
    return made
