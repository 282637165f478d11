"""Enough descriptors for the sockets that a server has from its start on."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from blinktun.config.explain import Origin, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.config.model import KcptunServer

SPARE = 64
"""Descriptors for everything else: the log, the event loop, some connections."""
_ENOUGH = 65536
"""Descriptors for 32,000 connections of a proxy."""


def need_descriptors(servers: Sequence[KcptunServer]) -> None:
    """Make room for the UDP sockets of servers, one a port and worker.

    The soft limit is raised as far as it has to be; the Go program does so for any number.

    Raises:
        ConfigError: the hard limit is lower than the ports ask for.
    """
    needed = SPARE + sum(_sockets(server) for server in servers)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if not servers or _allows(soft, needed):
        return
    if _allows(hard, needed):
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        return
    largest = max(servers, key=_sockets)
    ports = len(largest.listen.addresses)
    each = f" in each of {largest.workers} workers" if largest.workers > 1 else ""
    problem = f"asks for {ports} sockets{each}, and the process may open {hard} descriptors"
    fix = f"raise the limit to {needed} (ulimit -n, LimitNOFILE) or write a shorter range"
    origin = Origin(largest.source, "listen", shown(str(largest.listen)))
    raise origin.error(problem, fix=fix)


def want_descriptors() -> None:
    """Raise the soft limit to the hard one, as Node does: a proxy needs two for a connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if not _allows(soft, wanted):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _sockets(server: KcptunServer) -> int:
    # The supervisor of workers holds the sockets of all of them, and a control socket of each.
    return (len(server.listen.addresses) + 2) * server.workers


def _allows(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed
