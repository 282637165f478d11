"""Datagrams of applications: SOCKS5 UDP ASSOCIATE on a blinksocks client (RFC 1928, section 7)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from blinktun.errors import LocalError, RemoteError
from blinktun.net.udp import UdpPort
from blinktun.proxies.socks5_udp import pack_datagram, unpack_datagram
from blinktun.tunnel.associations import Associations

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.net.udp import Route
    from blinktun.relay.relay import Traffic
    from blinktun.tunnel.udp_path import Path, PathMaker

_log = logging.getLogger("blinktun.blinksocks")


class UdpInbound:
    """A port for applications; each has a way to the server of its own.

    An application may send as long as the TCP connection lives on which it asked for that. All of
    them share one port, which firewalls and containers can open in advance. So a route is bound to
    the oldest association of its host that has none yet, and stays bound to it: a second program of
    the host needs an association of its own.

    Args:
        make_path: Makes a way to the server.
    """

    def __init__(self, make_path: PathMaker) -> None:
        self._make_path = make_path
        self._port: UdpPort | None = None
        self._waiting: dict[str, dict[Association, None]] = {}  # by host; the oldest first
        self._bound: dict[Route, Association] = {}
        self._paths: Associations[Path] = Associations()

    def start(self, address: Address) -> None:
        """Listen.

        Raises:
            TransportError: the address cannot be bound.
        """
        self._port = UdpPort(address, self._receive)

    @property
    def port(self) -> int:
        """The port it listens on, while it does."""
        return self._port.port if self._port else 0

    def associate(self, host: str, traffic: Traffic) -> Association:
        """Take the datagrams of one socket of this host, until the association is closed.

        Args:
            host: The IP address of the application.
            traffic: Where the association's bytes are counted.
        """
        association = Association(self, host, traffic)
        self._waiting.setdefault(host, {})[association] = None
        return association

    def end(self, association: Association) -> None:
        """Take no more datagrams for an association."""
        if association.route is not None:
            del self._bound[association.route]
            self._paths.drop(association.route)
            return
        self._stop_waiting(association)

    def stop(self) -> None:
        """Close everything."""
        if self._port:
            self._port.close()
            self._port = None
        self._paths.close()

    def _receive(self, data: bytes, route: Route) -> None:
        association = self._bound.get(route) or self._bind(route)
        if association is None:
            _log.debug("a datagram from %s was dropped: it has no association", route.remote)
            return
        try:
            target, payload = unpack_datagram(data)
        except RemoteError as error:
            _log.debug("a datagram from %s was dropped: %s", route.remote, error)
            return
        association.traffic.add(up=len(payload))
        self._path(route, association).send(target, payload)

    def _bind(self, route: Route) -> Association | None:
        """Give a new route the oldest association of its host that has none."""
        waiting = self._waiting.get(route.remote.host)
        if not waiting:
            return None
        association = next(iter(waiting))
        self._stop_waiting(association)
        association.route = route
        self._bound[route] = association
        _log.debug("udp association of %s", route.remote)
        return association

    def _stop_waiting(self, association: Association) -> None:
        waiting = self._waiting[association.host]
        del waiting[association]
        if not waiting:
            del self._waiting[association.host]

    def _path(self, route: Route, association: Association) -> Path:
        path = self._paths.find(route)
        if path is not None:
            self._paths.touch(route, by_peer=True)
            return path

        def answer(source: Address, payload: bytes) -> None:
            self._paths.touch(route, by_peer=False)
            try:
                data = pack_datagram(source, payload)
            except LocalError:  # a name of more than 255 bytes
                return
            association.traffic.add(down=len(payload))
            if self._port:
                self._port.send(data, route)

        path = self._make_path(answer)
        self._paths.add(route, path)
        return path


class Association:
    """The right of one application to exchange datagrams.

    Attributes:
        host: The IP address of the application.
        traffic: What it has carried.
        route: The application's socket, once it has sent.
    """

    def __init__(self, inbound: UdpInbound, host: str, traffic: Traffic) -> None:
        self._inbound = inbound
        self.host = host
        self.traffic = traffic
        self.route: Route | None = None

    def close(self) -> None:
        """Give the right back: the control connection has ended."""
        self._inbound.end(self)
