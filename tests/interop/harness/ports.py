"""Free ports, and who listens on them."""

from __future__ import annotations

import itertools
import random
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Protocol = Literal["tcp", "udp"]

# Below the range that the system gives to outgoing connections, so that nobody takes a port
# between its choice and its use.
_FIRST, _LAST = 10_240, 32_000
_SOCK_DIAG = 4
_candidates = itertools.cycle(range(_FIRST, _LAST))
for _ in range(random.randrange(_LAST - _FIRST)):
    next(_candidates)


def free_port() -> int:
    """A port that is free for TCP and UDP; never the same twice in a row of 20,000."""
    return next(port for port in _candidates if _is_free(port))


def is_listening(port: int, protocol: Protocol) -> bool:
    """Whether a socket waits on `port`.

    The kernel is asked: a trial connection would count as the first connection of
    the program under test.
    """
    if protocol == "udp":
        return port in _in_state("07", "udp")
    try:
        return any(_is_accepting(port, family) for family in (socket.AF_INET, socket.AF_INET6))
    except OSError:  # a kernel without tcp_diag
        return port in _in_state("0A", "tcp")


def udp_ports() -> list[int]:
    """The ports of all UDP sockets that hear everybody."""
    return list(_in_state("07", "udp"))


def is_listening_at(path: Path) -> bool:
    """Whether a UNIX socket waits at `path`."""
    accepts = "00010000"
    with Path("/proc/net/unix").open() as file:
        fields = (line.split(maxsplit=7) for line in file)
        return any(f[3] == accepts and f[7:] == [f"{path}\n"] for f in fields)


def _is_free(port: int) -> bool:
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind(("", port))
    except OSError:
        return False
    return True


def _is_accepting(port: int, family: socket.AddressFamily) -> bool:
    """Ask for the TCP sockets that listen on this port (see sock_diag(7)).

    /proc/net/tcp6 says the same in 2 ms, which is much for programs that wait for each other.
    """
    listen, by_family, request, dump, error = 1 << 10, 20, 1, 0x300, 2
    query = struct.pack("=4BI", family, socket.IPPROTO_TCP, 0, 0, listen)
    query += struct.pack("!H", port) + bytes(46)
    head = struct.pack("=IHHII", 16 + len(query), by_family, request | dump, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        kernel.send(head + query)
        (kind,) = struct.unpack_from("=H", kernel.recv(65_536), 4)
    if kind == error:
        raise OSError("the kernel does not tell its sockets (no tcp_diag)")
    return bool(kind == by_family)


def _in_state(state: str, protocol: Protocol) -> Iterator[int]:
    """The ports of all sockets that are in this state; 0A: listens, 07: has no fixed peer."""
    tables = Path("/proc/thread-self/net")  # of the network namespace that this thread is in
    for table in (tables / protocol, tables / f"{protocol}6"):
        if table.exists():
            with table.open() as file:
                next(file)
                for line in file:
                    local, _, found = line.split(maxsplit=4)[1:4]
                    if found == state:
                        yield int(local.rpartition(":")[2], 16)
