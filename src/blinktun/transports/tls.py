"""TLS over any stream, with ends that mean something.

asyncio's own TLS can neither end one direction nor tell an end from a cut; here a ``close_notify``
ends a direction, and a wire that ends without one is an error.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from blinktun.errors import TransportError
from blinktun.transports.base import Dialer, Listener, OnStream, Stream
from blinktun.transports.tcp import TcpDialer
from blinktun.transports.tls_context import client_context, reason, server_context
from blinktun.transports.upgrade import Refused, Secure, Upgrade, UpgradingDialer, close_behind
from blinktun.transports.upgrade import listen as listen_upgrading

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.address import Address
    from blinktun.config.model import ServerLink
    from blinktun.effects import Chunk
    from blinktun.net.resolve import Resolver

_RECORD = 16384
"""What one read of OpenSSL gives at most."""
_PLAIN_HTTP = {"HTTP_REQUEST", "HTTPS_PROXY_REQUEST"}
"""What OpenSSL calls the first bytes of a request without TLS."""
_ANSWERS = 65536
"""Bytes of TLS's own that wait for the next ``send``; a peer that causes more is dropped."""


def dialer(link: ServerLink, resolver: Resolver) -> Dialer:
    """Connects to a tls service.

    Raises:
        ConfigError: the certificate to trust cannot be used.
    """
    return UpgradingDialer(TcpDialer(resolver), connecting(client_context(link.tls)))


async def listen(
    link: ServerLink, on_stream: OnStream, on_refused: OnStream | None = None
) -> Listener:
    """Listen for a tls service; who does not speak TLS is told so by TLS itself.

    Raises:
        ConfigError: certificate or key cannot be used.
        TransportError: the address cannot be bound.
    """
    del on_refused  # there are none
    secure = accepting(server_context(link.tls))
    return await listen_upgrading(link.address, on_stream, secure=secure)


def connecting(context: ssl.SSLContext) -> Upgrade:
    """The client's handshake; names are sent as SNI."""

    async def connect(wire: Stream, address: Address) -> Stream:
        stream = TlsStream(wire, context, server_name=address.host)
        await stream.handshake()
        return stream

    return connect


def accepting(context: ssl.SSLContext, *, to_plain_http: bytes = b"") -> Secure:
    """The server's handshake.

    Args:
        context: The certificate.
        to_plain_http: The answer to an HTTP request without TLS; empty: there is none.
    """

    async def secure(wire: Stream) -> Stream | Refused:
        stream = TlsStream(wire, context)
        try:
            await stream.handshake()
        except TransportError as error:
            if to_plain_http and getattr(error.__cause__, "reason", None) in _PLAIN_HTTP:
                return Refused("HTTP without TLS, but this port speaks HTTPS", to_plain_http)
            raise
        return stream

    return secure


class TlsStream(Stream):
    """TLS over ``wire``.

    Args:
        wire: Carries the records; nobody else may use it.
        context: Whom we trust, or who we are.
        server_name: Client: whose certificate is expected. None: we are the server.
    """

    def __init__(
        self, wire: Stream, context: ssl.SSLContext, *, server_name: str | None = None
    ) -> None:
        self._wire = wire
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_name is None,
            server_hostname=server_name,
        )
        self._chunks: list[bytes] = []
        self._ended = False
        self._eof_sent = False
        self._failure: TransportError | None = None

    @property
    def peer(self) -> str:
        """The peer on the wire."""
        return self._wire.peer

    @property
    def alpn(self) -> str | None:
        """The protocol that both sides have agreed on."""
        return self._tls.selected_alpn_protocol()

    def watch(self, on_broken: Callable[[], None] | None) -> None:
        """Watch the wire."""
        self._wire.watch(on_broken)

    @property
    def idle(self) -> float:
        """Of the wire."""
        return self._wire.idle

    async def handshake(self) -> None:
        """Shake hands; comes before everything else.

        Raises:
            TransportError: the peer is not who it should be, does not speak TLS, or has left.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
            except ssl.SSLError as error:
                await self._flush()  # an alert
                raise self._failed(error) from error
            else:
                await self._flush()
                return
            data = await self._wire.receive()
            if not data:
                raise TransportError("ended during the TLS handshake", peer=self.peer)
            self._incoming.write(data)

    async def receive(self) -> Chunk:
        """Wait for bytes; ``b""`` follows the peer's ``close_notify``."""
        while True:
            self._decrypt()
            if self._chunks:
                chunks, self._chunks = self._chunks, []
                return b"".join(chunks) if len(chunks) > 1 else chunks[0]
            if self._failure:
                raise self._failure
            if self._ended:
                return b""
            data = await self._wire.receive()
            if not data:
                raise TransportError("cut off: TCP has ended, TLS has not", peer=self.peer)
            self._incoming.write(data)

    async def send(self, data: Chunk) -> None:
        """Encrypt and send."""
        if data:
            try:
                self._tls.write(data)
            except ssl.SSLError as error:
                raise self._failed(error) from error
            await self._flush()

    async def send_eof(self) -> None:
        """Send ``close_notify``; TCP stays open for the other direction."""
        if not self._eof_sent:
            self._eof_sent = True
            self._decrypt()  # what stands in front of the peer's close_notify would be lost
            try:
                self._tls.unwrap()
            except ssl.SSLWantReadError:
                pass  # ours is written; it also looked for the peer's
            except ssl.SSLError as error:
                raise self._failed(error) from error
        await self._flush()

    async def aclose(self) -> None:
        """Send ``close_notify`` and close the wire; 10 s for each at most."""
        await close_behind(self._wire, self.send_eof())

    def abort(self) -> None:
        """Break the wire off, without ``close_notify``."""
        self._wire.abort()

    def _decrypt(self) -> None:
        """Take all that can be read now, so that OpenSSL holds part of a record at most."""
        try:
            while not self._ended and not self._failure:
                chunk = self._tls.read(_RECORD)
                self._ended = not chunk
                if chunk:
                    self._chunks.append(chunk)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # as an empty chunk, once our own direction has ended
            self._ended = True
        except ssl.SSLError as error:
            self._failure = self._failed(error)
        if self._outgoing.pending > _ANSWERS:
            self._failure = TransportError("asked for too many answers", peer=self.peer)

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._wire.send(self._outgoing.read())

    def _failed(self, error: ssl.SSLError) -> TransportError:
        failure = TransportError(f"TLS: {reason(error)}", peer=self.peer)
        failure.__cause__ = error
        return failure
