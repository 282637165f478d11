"""From names to addresses: as the system does it, or by resolvers of the configuration's choice."""

from __future__ import annotations

import asyncio
import socket
import time
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.config.model import Dns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_MAX_NAMES = 4096
"""Names whose addresses are kept; beyond that the oldest are forgotten."""
_LIFETIME = 5.0
"""Seconds that resolvers of the configuration's choice get for an answer."""
_LOOPBACK = ["127.0.0.1", "::1"]
"""What ``localhost`` is to everyone (RFC 6761, 6.3)."""


class Resolver:
    """Finds the IP addresses of hosts, and keeps what it found.

    Args:
        dns: Whom to ask, and for how long to keep the answers. None: the system, and not at all.
        port: Where those resolvers listen.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        dns: Dns | None = None,
        *,
        port: int = 53,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        dns = dns or Dns(expire=0)
        self._expire = dns.expire
        self._lookup: Callable[[str], Awaitable[list[str]]] = _ask_system
        if dns.servers:
            self._lookup = _Servers(dns.servers, port).ask
        self._clock = clock
        self._known: dict[str, tuple[float, list[str]]] = {}
        self._asking: dict[str, asyncio.Task[list[str]]] = {}

    async def resolve(self, host: str) -> list[str]:
        """Return the addresses of a host, the families in turn; an IP address is its own.

        Raises:
            OSError: there is none.
            ValueError: the host cannot be a name.
        """
        if Address(host, 0).ip is not None:
            return [host]
        name = host.lower().rstrip(".")
        known = self._known.get(name)
        if known and self._clock() < known[0]:
            return known[1]
        task = self._asking.get(name)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(name, host))
            self._asking[name] = task
            task.add_done_callback(lambda task: self._asked(name, task))
        return await asyncio.shield(task)

    def _asked(self, name: str, task: asyncio.Task[list[str]]) -> None:
        self._asking.pop(name, None)
        if not task.cancelled():
            task.exception()  # seen, even if nobody waits for it any more

    async def _ask(self, name: str, host: str) -> list[str]:
        found = await self._lookup(host)
        self._known.pop(name, None)
        if self._expire > 0:
            if len(self._known) >= _MAX_NAMES:
                del self._known[next(iter(self._known))]
            self._known[name] = self._clock() + self._expire, found
        return found


async def _ask_system(host: str) -> list[str]:
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    families: dict[int, list[str]] = {}
    for family, _, _, _, sockaddr in infos:
        families.setdefault(family, []).append(str(sockaddr[0]))
    return _in_turn(*families.values())


class _Servers:
    """Asks DNS servers, the next one when one does not answer."""

    def __init__(self, servers: tuple[str, ...], port: int) -> None:
        # Only who names resolvers pays for this import.
        import dns.asyncresolver

        self._resolver = dns.asyncresolver.Resolver(configure=False)
        self._resolver.nameservers = list(servers)
        self._resolver.port = port
        self._resolver.lifetime = _LIFETIME

    async def ask(self, host: str) -> list[str]:
        import dns.exception

        if host.lower().rstrip(".") == "localhost":
            return _LOOPBACK
        answers = await asyncio.gather(
            *(self._records(host, kind) for kind in ("A", "AAAA")), return_exceptions=True
        )
        found = [answer for answer in answers if isinstance(answer, list)]
        if any(found):
            return _in_turn(*found)
        error = next((one for one in answers if isinstance(one, BaseException)), None)
        if error is not None and not isinstance(error, dns.exception.DNSException):
            raise error
        raise OSError(f"name {host!r} does not resolve") from error

    async def _records(self, host: str, kind: str) -> list[str]:
        answer = await self._resolver.resolve(host, kind, raise_on_no_answer=False)
        return [record.to_text() for record in answer]


def _in_turn(*families: list[str]) -> list[str]:
    turns = chain.from_iterable(zip_longest(*families))
    return list(dict.fromkeys(ip for ip in turns if ip is not None))
