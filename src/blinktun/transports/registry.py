"""Transports by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from blinktun.errors import ConfigError
from blinktun.transports import h2, kcp, tcp, tls, ws

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from blinktun.config.model import ServerLink
    from blinktun.transports.base import Dialer, Listener, OnStream
    from blinktun.transports.resolver import Resolver


class Transport(NamedTuple):
    """How a transport is used by either end."""

    dialer: Callable[[ServerLink, Resolver], Dialer]
    listen: Callable[[ServerLink, OnStream], Awaitable[Listener]]


TRANSPORTS: dict[str, Transport] = {
    "tcp": Transport(
        lambda _link, resolver: tcp.TcpDialer(resolver),
        lambda link, on_stream: tcp.listen(link.address, on_stream),
    ),
    "kcp": Transport(kcp.dialer, kcp.listen),
    "tls": Transport(tls.dialer, tls.listen),
    "ws": Transport(ws.dialer, ws.listen),
    "wss": Transport(ws.dialer, ws.listen),
    "h2": Transport(h2.dialer, h2.listen),
}
"""Every transport, by the scheme that configurations use. A new transport adds one line."""


def find_transport(link: ServerLink, *, source: str = "") -> Transport:
    """Return the transport that a link names.

    Raises:
        ConfigError: there is none.
    """
    transport = TRANSPORTS.get(link.transport)
    if transport is None:
        raise ConfigError(
            "is not a known transport",
            source=source,
            key="service",
            value=f"{link.transport}://",
            fix=f"use {', '.join(TRANSPORTS)}",
        )
    return transport
