"""Datagrams of applications: SOCKS5 UDP ASSOCIATE on a blinksocks client."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from blinktun.errors import LocalError, RemoteError
from blinktun.net.udp import UdpPort
from blinktun.proxies.socks5_udp import pack_datagram, unpack_datagram
from blinktun.tunnel.associations import Associations

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.tunnel.udp_path import Path, PathMaker

_log = logging.getLogger("blinktun.blinksocks")

_MAX_ADMITTED = 4096
"""Hosts that have shown a password and may send datagrams."""


class _Admission:
    """A host may send."""

    def close(self) -> None:
        """Nothing is held."""


class UdpInbound:
    """A port for applications; each source address has a way to the server of its own.

    Args:
        make_path: Makes a way to the server.
        for_all: Whether hosts need not be admitted first.
    """

    def __init__(self, make_path: PathMaker, *, for_all: bool) -> None:
        self._make_path = make_path
        self._for_all = for_all
        self._admitted: Associations[str, _Admission] = Associations(limit=_MAX_ADMITTED)
        self._port: UdpPort | None = None
        self._associations: Associations[Address, Path] = Associations()

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

    def admit(self, host: str) -> None:
        """Take datagrams from this host, as from every host that has shown its password."""
        self._admitted.get(host, _Admission)

    def stop(self) -> None:
        """Close everything."""
        if self._port:
            self._port.close()
            self._port = None
        self._associations.close()
        self._admitted.close()

    def _receive(self, data: bytes, app: Address) -> None:
        if not (self._for_all or self._admitted.touch(app.host)):
            _log.debug("a datagram of %s was dropped: no password from there", app)
            return
        try:
            target, payload = unpack_datagram(data)
        except RemoteError as error:
            _log.debug("a datagram of %s was dropped: %s", app, error)
            return
        self._associations.get(app, lambda: self._open(app)).send(target, payload)

    def _open(self, app: Address) -> Path:
        _log.debug("udp association of %s", app)

        def answer(source: Address, payload: bytes) -> None:
            self._associations.touch(app)
            try:
                data = pack_datagram(source, payload)
            except LocalError:  # a name of more than 255 bytes
                return
            if self._port:
                self._port.send(data, app)

        return self._make_path(answer)
