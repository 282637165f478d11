"""From names to addresses, for both programs.

Every lookup has a deadline, and a source has only so many at once. A dead name server costs those
who ask for its names, and no one else.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.config.model import Dns
from blinktun.errors import TransportError
from blinktun.net.limits import DialBudget, cause
from blinktun.net.name_servers import NotFoundError, name_servers
from blinktun.net.system_names import ask_system, is_multicast_name, knows_more

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_NAMES = 4096
"""Names whose addresses are kept; beyond that the oldest are forgotten."""
_DEADLINE = 5.0
"""Seconds that a lookup may take."""
_NEGATIVE = 5.0
"""Seconds that a name without an address is remembered."""
_PER_SOURCE = 32
"""Names that one source may have looked up at once."""
_TOTAL = 512
"""Names that all sources may have looked up at once."""
LOOPBACK = ("127.0.0.1", "::1")
"""What ``localhost`` is to everyone (RFC 6761, 6.3)."""


class ResolveError(OSError):
    """A host has no address that can be had now."""


class Resolver:
    """Finds the IP addresses of hosts, and keeps what it found.

    Args:
        dns: Which servers to ask, and how long to keep the answers. None: the system's servers, and
            as long as the answers themselves allow.
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
        self._servers = name_servers(dns.servers, port)
        self._has_own_servers = bool(dns.servers)
        self._clock = clock
        self._known: dict[str, tuple[float, list[str] | str]] = {}
        self._asking: dict[str, asyncio.Task[list[str]]] = {}
        self._budget = DialBudget(_PER_SOURCE, _TOTAL, what="lookups of names")

    @classmethod
    def shared(cls, dns: Dns | None = None) -> Resolver:
        """The one that all of this process share who want the same."""
        if dns not in _shared:
            _shared[dns] = cls(dns)
        return _shared[dns]

    async def resolve(self, host: str, *, fresh: bool = False) -> list[str]:
        """Return the addresses of a host, the families in turn; an IP address is its own.

        Args:
            host: A name or an IP address.
            fresh: Ask, whatever was known.

        Raises:
            OSError: there is none, or none can be had in time.
            ValueError: the host cannot be a name.
        """
        if Address(host, 0).ip is not None:
            return [host]
        name = host.lower().rstrip(".")
        if is_localhost(name):
            return list(LOOPBACK)
        if fresh:
            self._known.pop(name, None)
        known = self._known.get(name)
        if known and self._clock() < known[0]:
            return _addresses(host, known[1])
        task = self._asking.get(name)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            task = self._begin(name, host, fresh=fresh)
        return await asyncio.shield(task)

    def forget(self, host: str) -> None:
        """Ask again the next time: no address of this host has answered."""
        self._known.pop(host.lower().rstrip("."), None)

    def _begin(self, name: str, host: str, *, fresh: bool) -> asyncio.Task[list[str]]:
        key = cause()
        try:
            self._budget.take(key)
        except TransportError as error:
            raise ResolveError(error.reason) from error
        task = asyncio.get_running_loop().create_task(self._ask(name, host, fresh=fresh))
        self._asking[name] = task

        def asked(task: asyncio.Task[list[str]]) -> None:
            self._asking.pop(name, None)
            self._budget.give_back(key)
            if not task.cancelled():
                task.exception()  # seen, even if nobody waits for it any more

        task.add_done_callback(asked)
        return task

    async def _ask(self, name: str, host: str, *, fresh: bool) -> list[str]:
        try:
            async with asyncio.timeout(_DEADLINE):
                found = await self._lookup(host, fresh=fresh)
        except OSError as error:
            answer = str(error) or f"no answer within {_DEADLINE:g} s"
            self._keep(name, answer, _NEGATIVE)
            return _addresses(host, answer)
        self._keep(name, found, self._expire)
        return found

    async def _lookup(self, host: str, *, fresh: bool) -> list[str]:
        if self._has_own_servers:
            return await self._servers.ask(host, fresh=fresh)
        if is_multicast_name(host):
            return await ask_system(host)
        try:
            return await self._servers.ask(host, fresh=fresh)
        except NotFoundError:
            if not knows_more(host):
                raise
            return await ask_system(host)

    def _keep(self, name: str, answer: list[str] | str, lifetime: float) -> None:
        self._known.pop(name, None)
        if lifetime > 0:
            if len(self._known) >= _MAX_NAMES:
                del self._known[next(iter(self._known))]
            self._known[name] = self._clock() + lifetime, answer


_shared: dict[Dns | None, Resolver] = {}


def is_localhost(host: str) -> bool:
    """Whether a name is this machine's to everyone (RFC 6761, 6.3)."""
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")


def _addresses(host: str, answer: list[str] | str) -> list[str]:
    if isinstance(answer, str):
        raise ResolveError(f"{host!r} does not resolve: {answer}")
    return list(answer)
