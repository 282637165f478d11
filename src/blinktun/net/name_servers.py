"""Asking name servers, through c-ares: the system's, or those that a configuration names.

c-ares reads ``resolv.conf`` (servers, search list, ``ndots``, ``rotate``) and ``/etc/hosts``, asks
for both families at once, prefers servers that answer, and orders addresses as RFC 6724 says. It
waits in a thread of its own, so no lookup holds up another, or the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from blinktun.address import Address
from blinktun.net.system_names import ip_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pycares

_T = TypeVar("_T")

_FIRST_TRY = 0.3
"""Seconds that a server gets before it is asked again, until c-ares has measured it."""
_TRIES = 5
"""Questions to a server; each waits twice as long as the one before, 9.3 s in all."""
_FILES = (Path("/etc/resolv.conf"), Path("/etc/nsswitch.conf"))
"""What c-ares reads once. It watches these folders, but not files that are mounted over them."""


class NotFoundError(OSError):
    """The name servers know no address of a name."""


class NameServers:
    """Looks names up.

    Args:
        servers: Their IP addresses; none: those of the system, with its hosts file.
        port: Where they listen; of the system's, what ``resolv.conf`` says.
    """

    def __init__(self, servers: Iterable[str] = (), port: int = 53) -> None:
        self._servers = [str(Address(server, port)) for server in servers]
        self._channel: pycares.Channel | None = None
        self._read: list[tuple[int, int] | None] = []

    async def ask(self, host: str, *, fresh: bool = False) -> list[str]:
        """The IP addresses of a host, the families in turn.

        Args:
            host: A name.
            fresh: Forget what an earlier answer allows to keep.

        Raises:
            NotFoundError: there is none.
            OSError: no server says.
            ValueError: the host cannot be a name.
        """
        if fresh:
            self._channel = None
        return await _lookup(self._current(), host)

    def _current(self) -> pycares.Channel:
        """The channel; a new one if there is none, or if the system's files have changed.

        Lookups of the old one go on, and end it with the last of them.
        """
        files = [] if self._servers else [_state(path) for path in _FILES]
        if self._channel is None or files != self._read:
            self._read = files
            self._channel = _open(self._servers)
        return self._channel


@functools.cache
def name_servers(servers: tuple[str, ...] = (), port: int = 53) -> NameServers:
    """The process's way to ask these servers: all who ask share what c-ares knows of them."""
    return NameServers(servers, port)


def _open(servers: list[str]) -> pycares.Channel:
    # A process whose addresses are all numbers never pays for this import.
    import pycares

    if servers:
        return pycares.Channel(
            servers=servers,
            lookups="b",  # no hosts file
            flags=pycares.ARES_FLAG_NOSEARCH,
            timeout=_FIRST_TRY,
            tries=_TRIES,
        )
    # Without EDNS, as the C library asks: there are servers that do not answer to it.
    return pycares.Channel(flags=0, timeout=_FIRST_TRY, tries=_TRIES)


async def _lookup(channel: pycares.Channel, host: str) -> list[str]:
    from pycares import errno

    loop = asyncio.get_running_loop()
    waiting: asyncio.Future[tuple[pycares.AddrInfoResult | None, int | None]]
    waiting = loop.create_future()

    def answered(result: pycares.AddrInfoResult | None, error: int | None) -> None:
        """Called in the thread of c-ares."""
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            loop.call_soon_threadsafe(_settle, waiting, (result, error))

    channel.getaddrinfo(host, None, type=socket.SOCK_STREAM, callback=answered)
    result, error = await waiting
    found = [ip_text(node.addr) for node in result.nodes] if result else []
    if found:
        return in_turn(found)
    if error in {None, errno.ARES_ENOTFOUND, errno.ARES_ENODATA, errno.ARES_EBADNAME}:
        raise NotFoundError("there is no such name")
    if error == errno.ARES_ETIMEOUT:
        raise TimeoutError("the name servers do not answer")
    raise OSError(errno.strerror(error))


def _settle(waiting: asyncio.Future[_T], outcome: _T) -> None:
    if not waiting.done():
        waiting.set_result(outcome)


def in_turn(ips: Iterable[str]) -> list[str]:
    """IP addresses with their families in turn, the family of the first one first."""
    families: dict[bool, list[str]] = {}
    for ip in dict.fromkeys(ips):
        families.setdefault(":" in ip, []).append(ip)
    turns = chain.from_iterable(zip_longest(*families.values()))
    return [ip for ip in turns if ip is not None]


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
