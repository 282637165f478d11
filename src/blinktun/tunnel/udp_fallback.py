"""Another service that answers datagrams of peers without the key, on a blinksocks server."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from blinktun.tunnel.associations import Associations
from blinktun.tunnel.paced_stream import Pace
from blinktun.tunnel.udp_exit import UdpExit

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.address import Address
    from blinktun.net.resolve import Resolver
    from blinktun.net.udp import Route

_MAX_PEERS = 64
"""Sources that may have an exchange; each holds a socket."""
_IDLE = 10.0
"""Seconds without a datagram after which an exchange ends."""
_AMPLIFICATION = 3
"""Bytes that a source gets for each byte it sent: its address may be forged (RFC 9000, 8.1)."""
_RATE = 100
"""Datagrams a second that are passed on, of all sources together."""
_BURST = 1.0
"""Seconds' worth of datagrams that may come at once."""


class UdpFallback:
    """Exchanges between unauthenticated sources and one service.

    Args:
        service: Who answers.
        resolver: Finds its address.
        reply: Sends an answer to a source.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        service: Address,
        resolver: Resolver,
        reply: Callable[[bytes, Route], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._resolver = resolver
        self._reply = reply
        self._clock = clock
        self._pace = Pace(_RATE, clock())
        self._exchanges: Associations[_Exchange] = Associations(
            limit=_MAX_PEERS, idle=_IDLE, clock=clock
        )

    def receive(self, data: bytes, route: Route) -> None:
        """Pass a datagram on, or drop it: there are too many of them."""
        now = self._clock()
        if self._pace.delay(now) > _BURST:
            return
        self._pace.charge(1, now)
        exchange = self._exchanges.find(route)
        if exchange is None:
            exchange = _Exchange(self._service, self._resolver, partial(self._answer, route))
            self._exchanges.add(route, exchange)
        else:
            self._exchanges.touch(route, by_peer=True)
        exchange.send(data)

    def forget(self, route: Route) -> None:
        """End the exchange of a source: it has shown the key."""
        self._exchanges.drop(route)

    def close(self) -> None:
        """End all."""
        self._exchanges.close()

    def _answer(self, route: Route, data: bytes) -> None:
        self._exchanges.touch(route, by_peer=False)
        self._reply(data, route)


class _Exchange:
    """One source, and how much it may still get."""

    def __init__(
        self, service: Address, resolver: Resolver, reply: Callable[[bytes], None]
    ) -> None:
        self._service = service
        self._reply = reply
        self._exit = UdpExit(resolver, self._answer)
        self._credit = 0

    def send(self, data: bytes) -> None:
        self._credit += _AMPLIFICATION * len(data)
        self._exit.send(self._service, data)

    def close(self) -> None:
        self._exit.close()

    def _answer(self, source: Address, data: bytes) -> None:
        if source == self._service and len(data) <= self._credit:
            self._credit -= len(data)
            self._reply(data)
