"""How much of the process may be spent on whom: descriptors, and work that waits for others."""

from __future__ import annotations

import errno
import ipaddress
import math
import os
import resource
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.errors import TransportError

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

_MOST = 4096
DIALS_PER_SOURCE = 1024
"""Targets that one source may have dialled at once: more than many browsers behind one address."""


_MAX_RESERVE = 64
"""Descriptors that connections leave to the rest: UDP sockets of sessions, log files, resolvers."""

_cause: ContextVar[str] = ContextVar("cause", default="")


class DialBudget:
    """Work that waits for others, such as dials: so much at once for one source, and in all.

    Args:
        per_source: What one source may have at once.
        total: What all sources together may have at once.
        what: The work, in the plural, for error messages.
    """

    def __init__(self, per_source: int, total: int, *, what: str = "dials") -> None:
        self._per_source = per_source
        self._total = total
        self._what = what
        self._used = 0
        self._by_source: dict[str, int] = {}

    def __len__(self) -> int:
        return self._used

    @contextmanager
    def hold(self, source: str) -> Iterator[None]:
        """Count one piece of work of ``source`` while the block runs.

        Raises:
            TransportError: there is too much already; nothing is counted then.
        """
        self.take(source)
        try:
            yield
        finally:
            self.give_back(source)

    def take(self, source: str) -> None:
        """Count one piece of work until `give_back`.

        Args:
            source: Who causes it, as `source_key` says.

        Raises:
            TransportError: there is too much already; nothing is counted then.
        """
        used = self._by_source.get(source, 0)
        if used >= self._per_source:
            raise TransportError(f"too many {self._what} at once for {source} ({used})")
        if self._used >= self._total:
            raise TransportError(f"too many {self._what} at once ({self._used})")
        self._by_source[source] = used + 1
        self._used += 1

    def give_back(self, source: str) -> None:
        """The work is over."""
        self._used -= 1
        left = self._by_source[source] - 1
        if left:
            self._by_source[source] = left
        else:
            del self._by_source[source]


def dial_budget() -> DialBudget:
    """The budget of a server for the dials of its clients; each of them needs a descriptor."""
    total = share_for_unauthenticated()
    return DialBudget(min(DIALS_PER_SOURCE, total), total)


def host_of(peer: str) -> str:
    """The host in a stream's ``peer``; all of it if there is none."""
    try:
        return Address.parse(peer.partition("(")[0]).host  # a stream of KCP has its number behind
    except ValueError:
        return peer


@lru_cache(maxsize=4096)
def source_key(host: str) -> str:
    """What limits per source count: an IPv4 address, or the /64 network of an IPv6 address.

    A host with IPv6 owns at least a /64, so its addresses are one source.
    """
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(ip) >> 64 << 64, 64)))


def share_for_unauthenticated() -> int:
    """A quarter of the descriptors, 4096 at most; such a peer may need a second one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else min(_MOST, soft // 4)


def charge_to(host: str) -> None:
    """From now on this task, and those that it starts, work for a source: an IP address."""
    _cause.set(source_key(host))


def cause() -> str:
    """The source that this task works for, as `source_key` says; empty: the owner's own work."""
    return _cause.get()


def has_room(descriptor: int) -> bool:
    """Whether one more connection may be accepted: the reserve would still be whole.

    Args:
        descriptor: Any that is open.
    """
    try:
        lowest = os.dup(descriptor)
    except OSError:
        return False
    os.close(lowest)
    return lowest < descriptors_for_connections()


def descriptors_for_connections() -> float:
    """The number from which on descriptors are the reserve's; infinite if there is no limit.

    The system gives out the lowest number that is free. So if that is high, all below are in use.
    """
    limit = _for_connections()
    return math.inf if limit is None else limit


def keep_reserve(made: socket.socket) -> socket.socket:
    """Return a socket that was made on behalf of a connection, unless it belongs to the reserve.

    Half of the reserve is left for what connections need beside themselves: their targets.

    Raises:
        OSError: it does; it has been closed.
    """
    if made.fileno() >= _for_targets():
        made.close()
        raise _no_room()
    return made


def check_reserve() -> None:
    """See whether the next socket on behalf of a connection may be made, as `keep_reserve` says.

    Raises:
        OSError: it would belong to the reserve.
    """
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    if lowest >= _for_targets():
        raise _no_room()


def _no_room() -> OSError:
    return OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def _for_targets() -> float:
    limit = _for_connections()
    return math.inf if limit is None else limit + _reserve(limit) // 2


def _for_connections() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft - _reserve(soft)


def _reserve(soft: int) -> int:
    return min(_MAX_RESERVE, soft // 4)
