"""UDP sockets in Python, for relays of a blinksocks client or server.

On sockets and not on asyncio's datagram transports: those drop empty datagrams before Python 3.13,
and queue without a bound what the system does not take.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Self

from blinktun.address import Address
from blinktun.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

_BATCH = 64
"""Datagrams received in one go before others have their turn."""
_MAX = 65536
"""More than any datagram holds."""
_BUFFERS = 1 << 20


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
        sockets: list[socket.socket] = []
        try:
            infos = socket.getaddrinfo(
                address.host or None,
                address.port,
                type=socket.SOCK_DGRAM,
                flags=socket.AI_PASSIVE,
            )
            for family, kind, protocol, _, name in infos:
                sock = socket.socket(family, kind, protocol)
                sockets.append(sock)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind(name)
        except OSError as error:
            for sock in sockets:
                sock.close()
            reason = (error.strerror or str(error)).lower()
            raise TransportError(f"cannot listen: {reason}", peer=f"udp {address}") from error
        return [cls(sock, on_datagram) for sock in sockets]

    @classmethod
    def unbound(cls, ip: str, on_datagram: Callable[[bytes, Address], None]) -> Self:
        """A socket on a port of the system's choice that can reach addresses of ``ip``'s family.

        Raises:
            TransportError: there is none to be had.
        """
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_DGRAM)
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
            if self._closed:  # by who got the one before
                return
            try:
                data, name = self._sock.recvfrom(_MAX)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error for an earlier one
            self._on_datagram(data, Address(name[0], name[1]))


class UdpPort:
    """A port on every address of a host; an answer leaves from the socket of its family.

    Raises:
        TransportError: the address cannot be bound.
    """

    def __init__(self, address: Address, on_datagram: Callable[[bytes, Address], None]) -> None:
        self._sockets = UdpSocket.listen(address, on_datagram)
        self._by_family = {":" in one.address.host: one for one in self._sockets}
        self.port = self._sockets[0].address.port

    def send(self, data: bytes, to: Address) -> None:
        """Send to an IP address, or lose it."""
        if socket_of_family := self._by_family.get(":" in to.host):
            socket_of_family.send(data, to)

    def close(self) -> None:
        """Receive no more."""
        for one in self._sockets:
            one.close()
