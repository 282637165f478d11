"""Datagrams of clients, on a blinksocks server."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from blinktun.errors import LocalError, RemoteError
from blinktun.presets.base import PresetContext, Role
from blinktun.transports.udp import UdpSocket
from blinktun.tunnel.associations import Associations
from blinktun.tunnel.udp_exit import UdpExit

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.address import Address
    from blinktun.presets.pipeline import Pipeline
    from blinktun.presets.registry import PipelineMaker
    from blinktun.transports.resolver import Resolver

_log = logging.getLogger("blinktun.blinksocks")


class UdpServer:
    """A port for clients; each source address has a pipeline and a way out of its own."""

    def __init__(self, key: str, make_pipeline: PipelineMaker, resolver: Resolver) -> None:
        self._context = PresetContext(Role.SERVER, key)
        self._make_pipeline = make_pipeline
        self._resolver = resolver
        self._sockets: list[UdpSocket] = []
        self._associations: Associations[Address, _Association] = Associations()

    def start(self, address: Address) -> None:
        """Listen.

        Raises:
            TransportError: the address cannot be bound.
        """
        self._sockets = UdpSocket.listen(address, self._receive)

    def stop(self) -> None:
        """Close everything."""
        for socket in self._sockets:
            socket.close()
        self._sockets = []
        self._associations.close()

    def _receive(self, data: bytes, client: Address) -> None:
        self._associations.get(client, lambda: self._open(client)).receive(data)

    def _open(self, client: Address) -> _Association:
        def reply(data: bytes) -> None:
            self._associations.touch(client)
            for socket in self._sockets:
                if (":" in socket.address.host) == (":" in client.host):
                    socket.send(data, client)

        pipeline = self._make_pipeline(self._context)
        return _Association(client, pipeline, self._resolver, reply)


class _Association:
    """One client."""

    def __init__(
        self,
        client: Address,
        pipeline: Pipeline,
        resolver: Resolver,
        reply: Callable[[bytes], None],
    ) -> None:
        self._client = client
        self._pipeline = pipeline
        self._reply = reply
        self._exit = UdpExit(resolver, self._answer)

    def receive(self, data: bytes) -> None:
        try:
            target, payload = self._pipeline.decode_datagram(data)
        except RemoteError as error:
            _log.debug("a datagram from %s was refused: %s", self._client, error)
            return
        if target is not None:
            self._exit.send(target, payload)

    def close(self) -> None:
        self._exit.close()

    def _answer(self, source: Address, payload: bytes) -> None:
        with contextlib.suppress(LocalError):  # a name that no preset can write
            self._reply(self._pipeline.encode_datagram(payload, source))
