"""Free ports, and who listens on them."""

from __future__ import annotations

import itertools
import random
import socket
from pathlib import Path
from typing import Literal

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
    # Thousands of ended connections stay in the tables: only lines with the port are read closely.
    digits = f":{port:04X} "
    return any(_listens(line, port, protocol) for line in _sockets(protocol) if digits in line)


def _is_free(port: int) -> bool:
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind(("", port))
    except OSError:
        return False
    return True


def _sockets(protocol: Protocol) -> list[str]:
    tables = (Path(f"/proc/net/{protocol}"), Path(f"/proc/net/{protocol}6"))
    return [
        line for table in tables if table.exists() for line in table.read_text().splitlines()[1:]
    ]


def _listens(line: str, port: int, protocol: Protocol) -> bool:
    _, local, _, state = line.split()[:4]
    # 0A: a listening TCP socket; 07: a UDP socket without a fixed peer.
    return (
        int(local.rsplit(":", 1)[1], 16) == port and state == {"tcp": "0A", "udp": "07"}[protocol]
    )
