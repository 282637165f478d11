"""Transports by name.

A transport is imported when it is used: the libraries of one take 1 or 2 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from blinktun.config.model import ServerLink
    from blinktun.net.resolve import Resolver
    from blinktun.transports.base import Dialer, Listener, OnStream


class Listen(Protocol):
    """Takes streams in."""

    def __call__(
        self, link: ServerLink, on_stream: OnStream, on_refused: OnStream | None = None, /
    ) -> Awaitable[Listener]:
        """Listen.

        Args:
            link: Where.
            on_stream: Gets every stream that the transport's own handshake, if any, has made.
            on_refused: Gets the connections of those who failed it, as if nothing had been read
                from them; None: they are answered as by a server without anything to offer.

        Raises:
            ConfigError: the settings cannot be used.
            TransportError: the address cannot be bound.
        """


class Transport(NamedTuple):
    """How a transport is used by either end."""

    dialer: Callable[[ServerLink, Resolver], Dialer]
    listen: Listen


def _tcp() -> Transport:
    from blinktun.transports import tcp

    return Transport(
        lambda _link, resolver: tcp.TcpDialer(resolver),
        lambda link, on_stream, _on_refused=None: tcp.listen(link.address, on_stream),
    )


def _kcp() -> Transport:
    from blinktun.transports import kcp

    return Transport(kcp.dialer, kcp.listen)


def _tls() -> Transport:
    from blinktun.transports import tls

    return Transport(tls.dialer, tls.listen)


def _ws() -> Transport:
    from blinktun.transports import ws

    return Transport(ws.dialer, ws.listen)


def _h2() -> Transport:
    from blinktun.transports import h2

    return Transport(h2.dialer, h2.listen)


TRANSPORTS: dict[str, Callable[[], Transport]] = {
    "tcp": _tcp,
    "kcp": _kcp,
    "tls": _tls,
    "ws": _ws,
    "wss": _ws,
    "h2": _h2,
}
"""Every transport, by the scheme that configurations use. A new transport adds one line."""


def find_transport(link: ServerLink, *, source: str = "") -> Transport:
    """Return the transport that a link names.

    Raises:
        ConfigError: there is none.
    """
    find = TRANSPORTS.get(link.transport)
    if find is None:
        raise ConfigError(
            "is not a known transport",
            source=source,
            key="service",
            value=f"{link.transport}://",
            fix=f"use {', '.join(TRANSPORTS)}",
        )
    return find()
