"""Where datagrams leave a blinksocks server for their targets, and come back."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeAlias

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.net.udp import UdpSocket, routed

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.net.dial import Permits
    from blinktun.net.resolve import Resolver

_log = logging.getLogger("blinktun.blinksocks")

_MAX_ASKING = 64
"""Datagrams that may wait for names to be resolved; more are lost."""
_MAX_NAMES = 256
"""Targets by name whose answers are told to be from that name."""

OnAnswer: TypeAlias = "Callable[[Address, bytes], None]"
"""Gets where an answer is from, and its payload."""


class UdpExit:
    """The targets of one association.

    Whoever got a datagram may answer, and so may others, from wherever they are.

    Args:
        resolver: Finds the addresses of targets.
        on_answer: Gets every answer, and its source in the words in which it was asked for.
        permits: Asked before a target by name is reached at an address; None: everything may be.
    """

    def __init__(
        self, resolver: Resolver, on_answer: OnAnswer, permits: Permits | None = None
    ) -> None:
        self._resolver = resolver
        self._permits = permits
        self._on_answer = on_answer
        self._sockets: dict[bool, UdpSocket] = {}
        self._names: dict[Address, Address] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._closed = False

    def send(self, target: Address, payload: bytes) -> None:
        """Send a datagram, or lose it."""
        if target.ip is not None:
            self._send(target, payload)
        elif len(self._asking) < _MAX_ASKING:
            task = asyncio.get_running_loop().create_task(self._ask(target, payload))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    def close(self) -> None:
        """Close the sockets."""
        self._closed = True
        for task in self._asking:
            task.cancel()
        for socket in self._sockets.values():
            socket.close()

    async def _ask(self, target: Address, payload: bytes) -> None:
        try:
            ips = await self._resolver.resolve(target.host)
        except (OSError, ValueError) as error:
            _log.debug("a datagram for %s is lost: %s", target, error)
            return
        if self._permits:
            ips = [ip for ip in ips if self._permits(target, ip)]
        if not ips:
            _log.debug("a datagram for %s is lost: a rule bans where it leads", target)
            return
        where = Address(routed(ips), target.port)
        if len(self._names) >= _MAX_NAMES:
            del self._names[next(iter(self._names))]
        self._names[where] = target
        self._send(where, payload)

    def _send(self, where: Address, payload: bytes) -> None:
        is_v6 = ":" in where.host
        if self._closed:
            return
        if is_v6 not in self._sockets:
            try:
                self._sockets[is_v6] = UdpSocket.unbound(where.host, self._receive)
            except TransportError as error:
                _log.warning("a datagram for %s is lost: %s", where, error)
                return
        self._sockets[is_v6].send(payload, where)

    def _receive(self, payload: bytes, source: Address) -> None:
        self._on_answer(self._names.get(source, source), payload)
