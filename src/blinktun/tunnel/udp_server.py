"""Datagrams of clients, on a blinksocks server."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blinktun.errors import AccessDenied, LocalError, RemoteError
from blinktun.net.limits import charge_to
from blinktun.net.udp import UdpPort
from blinktun.presets.base import PresetContext, Role
from blinktun.state.openings import Openings
from blinktun.tunnel.associations import Associations
from blinktun.tunnel.udp_exit import UdpExit
from blinktun.tunnel.udp_fallback import UdpFallback
from blinktun.tunnel.udp_limits import UdpGate

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.address import Address
    from blinktun.admission.access import Access
    from blinktun.net.resolve import Resolver
    from blinktun.net.udp import Route
    from blinktun.presets.pipeline import Pipeline
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
        redirect: Who answers sources that have not shown the key; None: no one does.
    """

    key: str
    make_pipeline: PipelineMaker
    resolver: Resolver
    access: Access
    redirect: Address | None = None


class UdpServer:
    """A port for clients; each route of a client has a pipeline and a way out of its own.

    A datagram is opened before anything is made for it: what does not open costs no more than that.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._context = PresetContext(Role.SERVER, service.key)
        self._spare = service.make_pipeline(self._context)
        # In memory alone: datagrams come too often to write each of them down.
        self._seen = Openings("off", "blinksocks-udp", service.key.encode())
        self._port: UdpPort | None = None
        self._associations: Associations[Association] = Associations()
        self._fallback = (
            UdpFallback(service.redirect, service.resolver, self._send)
            if service.redirect
            else None
        )

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
        if self._fallback:
            self._fallback.close()

    def _receive(self, data: bytes, route: Route) -> None:
        association = self._associations.find(route)
        pipeline = association.pipeline if association else self._spare
        try:
            self._service.access.check_source(route.remote)
            target, payload = pipeline.decode_datagram(data)
        except (AccessDenied, RemoteError) as error:
            _log.debug("a datagram from %s was dropped: %s", route.remote, error)
            if association is None and isinstance(error, RemoteError):
                self._drop_unauthenticated(data, route)
            return
        if target is None:  # only what a server sends may leave that out
            return
        if pipeline.salts_datagrams and not self._seen.is_new(data):
            _log.debug("a datagram from %s was dropped: it came before", route.remote)
            return
        if association is None:
            association = self._admit(route)
        else:
            self._associations.touch(route, by_peer=True)
        charge_to(route.remote.host)
        association.forward(target, payload)

    def _drop_unauthenticated(self, data: bytes, route: Route) -> None:
        if self._service.make_pipeline.chains_datagrams:
            self._spare = self._service.make_pipeline(self._context)
        if self._fallback:
            self._fallback.receive(data, route)

    def _admit(self, route: Route) -> Association:
        """Make the association of a route; it gets the pipeline that opened its first datagram."""
        if self._fallback:
            self._fallback.forget(route)
        pipeline, self._spare = self._spare, self._service.make_pipeline(self._context)
        gate = UdpGate(self._service.access, route.remote)

        def reply(data: bytes) -> None:
            self._associations.touch(route, by_peer=False)
            self._send(data, route)

        association = Association(pipeline, gate, self._service.resolver, reply)
        self._associations.add(route, association)
        return association

    def _send(self, data: bytes, route: Route) -> None:
        if self._port:
            self._port.send(data, route)


class Association:
    """One client that has shown the key, and its targets."""

    def __init__(
        self,
        pipeline: Pipeline,
        gate: UdpGate,
        resolver: Resolver,
        reply: Callable[[bytes], None],
    ) -> None:
        self.pipeline = pipeline
        self._gate = gate
        self._reply = reply
        self._exit = UdpExit(resolver, self._answer, gate.permits)

    def forward(self, target: Address, payload: bytes) -> None:
        """Send a datagram to a target, or lose it."""
        if self._gate.allows(target, len(payload), up=True):
            self._exit.send(target, payload)

    def close(self) -> None:
        """Let go of the targets."""
        self._exit.close()

    def _answer(self, source: Address, payload: bytes) -> None:
        if not self._gate.allows(source, len(payload), up=False):
            return
        with contextlib.suppress(LocalError):  # a name that no preset can write
            self._reply(self.pipeline.encode_datagram(payload, source))
