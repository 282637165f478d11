"""Datagrams of clients, on a blinksocks server."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blinktun.errors import AccessDenied, LocalError, RemoteError
from blinktun.net.udp import UdpPort
from blinktun.presets.base import PresetContext, Role
from blinktun.tunnel.associations import Associations
from blinktun.tunnel.udp_exit import UdpExit
from blinktun.tunnel.udp_limits import UdpGate

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.address import Address
    from blinktun.admission.access import Access
    from blinktun.net.resolve import Resolver
    from blinktun.presets.registry import PipelineMaker

_log = logging.getLogger("blinktun.blinksocks")


@dataclass(frozen=True, slots=True)
class Service:
    """What all associations of a server share.

    Attributes:
        key: Shared with clients.
        make_pipeline: Makes the presets of an association.
        resolver: Finds the addresses of targets.
        access: Says who may have which target, and how fast. Failures are not counted: anybody can
            send a datagram in somebody's name.
        redirect: Who answers sources that have not shown the key; None: nobody does.
    """

    key: str
    make_pipeline: PipelineMaker
    resolver: Resolver
    access: Access
    redirect: Address | None = None


class UdpServer:
    """A port for clients; each source address has a pipeline and a way out of its own."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._port: UdpPort | None = None
        self._associations: Associations[Address, _Association] = Associations()

    def start(self, address: Address) -> None:
        """Listen.

        Raises:
            TransportError: the address cannot be bound.
        """
        self._port = UdpPort(address, self._receive)

    def stop(self) -> None:
        """Close everything."""
        if self._port:
            self._port.close()
            self._port = None
        self._associations.close()

    def _receive(self, data: bytes, client: Address) -> None:
        try:
            self._service.access.check_source(client)
        except AccessDenied as error:
            _log.debug("a datagram from %s is lost: %s", client, error)
            return
        self._associations.get(client, lambda: self._open(client)).receive(data)

    def _open(self, client: Address) -> _Association:
        gate = UdpGate(self._service.access, client)

        def reply(data: bytes) -> None:
            self._associations.touch(client)
            if self._port:
                self._port.send(data, client)

        return _Association(client, gate, self._service, reply)


class _Association:
    """One client.

    Until its first good datagram it may be anybody, and ``redirect`` answers.
    """

    def __init__(
        self,
        client: Address,
        gate: UdpGate,
        service: Service,
        reply: Callable[[bytes], None],
    ) -> None:
        self._client = client
        self._gate = gate
        self._pipeline = service.make_pipeline(PresetContext(Role.SERVER, service.key))
        self._reply = reply
        self._exit = UdpExit(service.resolver, self._answer, service.access.permits)
        self._redirect = service.redirect
        self._strange = UdpExit(service.resolver, self._answer_stranger)

    def receive(self, data: bytes) -> None:
        try:
            target, payload = self._pipeline.decode_datagram(data)
        except RemoteError as error:
            _log.debug("a datagram from %s was refused: %s", self._client, error)
            if self._redirect:
                self._strange.send(self._redirect, data)
            return
        if target is None:
            return
        self._trust()
        if self._gate.allows(target, len(payload), up=True):
            self._exit.send(target, payload)

    def close(self) -> None:
        self._exit.close()
        self._strange.close()

    def _trust(self) -> None:
        if self._redirect:
            self._redirect = None
            self._strange.close()

    def _answer(self, source: Address, payload: bytes) -> None:
        if not self._gate.allows(source, len(payload), up=False):
            return
        with contextlib.suppress(LocalError):  # a name that no preset can write
            self._reply(self._pipeline.encode_datagram(payload, source))

    def _answer_stranger(self, source: Address, data: bytes) -> None:
        if source == self._redirect:
            self._reply(data)
