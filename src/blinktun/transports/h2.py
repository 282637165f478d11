"""HTTP/2 over TLS: a stream is a request and its answer (blinksocks wire, section 6.2).

A client makes a connection for each of its streams, as upstream's do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.errors import TransportError
from blinktun.transports.h2_connection import H2Connection
from blinktun.transports.tcp import TcpDialer
from blinktun.transports.tls import TlsStream, accepting
from blinktun.transports.tls_context import client_context, server_context
from blinktun.transports.upgrade import BAD_REQUEST, Refused, UpgradingDialer
from blinktun.transports.upgrade import listen as listen_upgrading

if TYPE_CHECKING:
    import ssl

    from blinktun.address import Address
    from blinktun.config.model import ServerLink
    from blinktun.transports.base import Dialer, Listener, OnStream, Stream
    from blinktun.transports.resolver import Resolver
    from blinktun.transports.rewindable import Rewindable

_ALPN = ("h2",)
_WEB = ("h2", "http/1.1")
"""What web servers offer, of which another service can speak the second."""


def dialer(link: ServerLink, resolver: Resolver) -> Dialer:
    """Connects to an h2 service.

    Raises:
        ConfigError: the certificate to trust cannot be used.
    """
    context = client_context(link.tls, alpn=_ALPN)

    async def connect(wire: Stream, address: Address) -> Stream:
        connection = H2Connection(await _secure(wire, context, address.host))
        stream = connection.open(link.path or "/", str(address))
        connection.start()
        return stream

    return UpgradingDialer(TcpDialer(resolver), connect)


async def listen(
    link: ServerLink, on_stream: OnStream, on_stranger: OnStream | None = None
) -> Listener:
    """Listen for an h2 service; every stream of every connection is taken in, whatever its path.

    Strangers are those who do not agree on HTTP/2 in their TLS handshake.

    Raises:
        ConfigError: certificate or key cannot be used.
        TransportError: the address cannot be bound.
    """
    context = server_context(link.tls, alpn=_WEB if on_stranger else _ALPN)

    def on_connection(wire: Stream) -> None:
        H2Connection(wire, on_stream).start()

    return await listen_upgrading(
        link.address,
        on_connection,
        secure=accepting(context),
        accept=accept,
        on_stranger=on_stranger,
    )


async def accept(wire: Rewindable) -> Stream | Refused:
    """See what TLS has agreed on.

    Raises:
        TransportError: the connection is gone.
    """
    if isinstance(wire.stream, TlsStream) and wire.stream.alpn in _ALPN:
        return wire.stream
    await wire.receive()  # nobody is answered before he has said something
    return Refused("does not offer HTTP/2", BAD_REQUEST)


async def _secure(wire: Stream, context: ssl.SSLContext, name: str | None = None) -> TlsStream:
    stream = TlsStream(wire, context, server_name=name)
    await stream.handshake()
    if stream.alpn not in _ALPN:
        raise TransportError("does not offer HTTP/2", peer=wire.peer)
    return stream
