"""HTTP/2 over TLS: a stream is a request and its answer (blinksocks wire, section 6.2).

A client makes a connection for each of its streams, as upstream's do.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from blinktun.errors import TransportError
from blinktun.transports.base import Dialer, Listener
from blinktun.transports.h2_connection import H2Connection
from blinktun.transports.tcp import TcpDialer
from blinktun.transports.tls import TlsStream, accepting
from blinktun.transports.tls_context import client_context, server_context
from blinktun.transports.upgrade import BAD_REQUEST, Refused, UpgradingDialer
from blinktun.transports.upgrade import listen as listen_upgrading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.address import Address
    from blinktun.config.model import ServerLink
    from blinktun.net.resolve import Resolver
    from blinktun.transports.base import OnStream, Stream
    from blinktun.transports.rewindable import Rewindable

_log = logging.getLogger("blinktun.transports")

_FAREWELL = 1.0
"""Seconds that peers have to end their connections when ours have to end."""
_ALPN = ("h2",)
_WEB = ("h2", "http/1.1")
"""What web servers offer, of which another service can speak the second."""


def dialer(link: ServerLink, resolver: Resolver) -> Dialer:
    """Connects to an h2 service.

    Raises:
        ConfigError: the certificate to trust cannot be used.
    """
    return H2Dialer(link, resolver)


async def listen(
    link: ServerLink, on_stream: OnStream, on_refused: OnStream | None = None
) -> Listener:
    """Listen for an h2 service; every stream of every connection is taken in, whatever its path.

    ``on_refused`` gets those that do not agree on HTTP/2 in their TLS handshake.

    Raises:
        ConfigError: certificate or key cannot be used.
        TransportError: the address cannot be bound.
    """
    context = server_context(link.tls, alpn=_WEB if on_refused else _ALPN)
    connections = H2Connections()
    listener = await listen_upgrading(
        link.address,
        lambda wire: connections.start(H2Connection(wire, on_stream)),
        secure=accepting(context),
        accept=accept,
        on_refused=on_refused,
    )
    return H2Listener(listener, connections)


async def accept(wire: Rewindable) -> Stream | Refused:
    """See what TLS has agreed on.

    Raises:
        TransportError: the connection is gone.
    """
    if isinstance(wire.inner, TlsStream) and wire.inner.alpn in _ALPN:
        return wire.inner
    said_something = await wire.receive()
    return Refused("does not offer HTTP/2", BAD_REQUEST if said_something else b"")


class H2Connections:
    """Owns the tasks of connections, which outlive their streams a little."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], H2Connection] = {}

    def start(self, connection: H2Connection) -> None:
        """Serve a connection until it ends."""
        task = asyncio.get_running_loop().create_task(connection.run())
        self._running[task] = connection
        task.add_done_callback(self._on_done)

    async def aclose(self) -> None:
        """End all of them; their peers have 1 s to end theirs."""
        for connection in self._running.values():
            connection.finish()
        tasks = list(self._running)
        if tasks:
            await asyncio.wait(tasks, timeout=_FAREWELL)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task).abort()  # nothing, if it has closed
        if not task.cancelled() and (error := task.exception()):
            _log.error("an HTTP/2 connection ended with a bug", exc_info=error)


class H2Dialer(Dialer):
    """Makes a connection for each stream."""

    def __init__(self, link: ServerLink, resolver: Resolver) -> None:
        self._context = client_context(link.tls, alpn=_ALPN)
        self._path = link.path or "/"
        self._connections = H2Connections()
        self._dialer = UpgradingDialer(TcpDialer(resolver), self._upgrade)

    async def connect(self, address: Address) -> Stream:
        """Connect; the handshake has 10 s of its own."""
        return await self._dialer.connect(address)

    async def aclose(self) -> None:
        """End the connections whose streams are gone."""
        await self._connections.aclose()

    async def _upgrade(self, wire: Stream, address: Address) -> Stream:
        secured = TlsStream(wire, self._context, server_name=address.host)
        await secured.handshake()
        if secured.alpn not in _ALPN:
            raise TransportError("does not offer HTTP/2", peer=wire.peer)
        connection = H2Connection(secured)
        stream = connection.open(self._path, str(address))
        self._connections.start(connection)
        return stream


class H2Listener(Listener):
    """Takes in connections, and every stream of each.

    Args:
        wires: Takes in their wires.
        connections: Where they run.
    """

    def __init__(self, wires: Listener, connections: H2Connections) -> None:
        self._wires = wires
        self._connections = connections

    @property
    def addresses(self) -> Sequence[Address]:
        """Every bound address."""
        return self._wires.addresses

    async def aclose(self) -> None:
        """Stop listening; streams of connections that are there may still come."""
        await self._wires.aclose()

    async def release(self) -> None:
        """End the connections; their streams are gone."""
        await self._connections.aclose()
