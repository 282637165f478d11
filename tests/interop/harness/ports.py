"""Free ports, and who listens on them."""

from __future__ import annotations

import itertools
import random
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Protocol = Literal["tcp", "udp"]

# Below the range that the system gives to outgoing connections, so that nobody takes a port
# between its choice and its use.
_FIRST, _LAST = 10_240, 32_000
_candidates = itertools.cycle(range(_FIRST, _LAST))
for _ in range(random.randrange(_LAST - _FIRST)):
    next(_candidates)


def free_port() -> int:
    """A port that is free for TCP and UDP; never the same twice in a row of 20,000."""
    return next(port for port in _candidates if _is_free(port))


def is_listening(port: int, protocol: Protocol) -> bool:
    """Whether a socket waits on `port`.

    Read from the kernel's tables: a trial connection would count as the first connection of
    the program under test.
    """
    return any(number == port for number in _waiting(protocol))


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


def _waiting(protocol: Protocol) -> Iterator[int]:
    """The ports of all TCP sockets that listen, or of all UDP sockets without a fixed peer."""
    state = {"tcp": "0A", "udp": "07"}[protocol]
    for table in (Path(f"/proc/net/{protocol}"), Path(f"/proc/net/{protocol}6")):
        if table.exists():
            with table.open() as file:
                next(file)
                sockets: Iterable[list[str]] = (line.split(maxsplit=4)[1:4] for line in file)
                if protocol == "tcp":
                    # They come first; thousands of ended connections may follow.
                    sockets = itertools.takewhile(lambda fields: fields[2] == state, sockets)
                yield from (int(f[0].rpartition(":")[2], 16) for f in sockets if f[2] == state)
