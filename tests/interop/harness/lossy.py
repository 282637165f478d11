"""A UDP path that loses datagrams, by a seed: the same draws in every run."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Address = tuple[str, int]

_AT_A_TIME = 128
_BUFFER = 8 << 20
_LARGEST = 65_535


class LossyPath:
    """Carries datagrams between any number of clients and one server, and loses some.

    Attributes:
        port: Where clients send to.
        carried: Datagrams that passed, both directions together.
        lost: Datagrams that did not.
    """

    def __init__(self, server: int, loss: float, seed: str) -> None:
        self.carried = 0
        self.lost = 0
        self._server = ("127.0.0.1", server)
        self._draws = {way: _Loss(loss, f"{seed}/{way}") for way in ("up", "down")}
        self._loop = asyncio.get_running_loop()
        self._flows: dict[Address, socket.socket] = {}
        self._front = _udp_socket()
        self._front.bind(("127.0.0.1", 0))
        self.port: int = self._front.getsockname()[1]
        self._loop.add_reader(self._front, self._carry_up)

    def close(self) -> None:
        """Close all sockets."""
        for sock in (self._front, *self._flows.values()):
            self._loop.remove_reader(sock)
            sock.close()

    def _carry_up(self) -> None:
        with suppress(BlockingIOError):
            for _ in range(_AT_A_TIME):
                data, client = self._front.recvfrom(_LARGEST)
                flow = self._flows.get(client) or self._open_flow(client)
                if self._passes("up"):
                    with suppress(BlockingIOError, ConnectionRefusedError):
                        flow.send(data)

    def _carry_down(self, flow: socket.socket, client: Address) -> None:
        # The server may be gone for a while: refused.
        with suppress(BlockingIOError, ConnectionRefusedError):
            for _ in range(_AT_A_TIME):
                data = flow.recv(_LARGEST)
                if self._passes("down"):
                    with suppress(BlockingIOError, ConnectionRefusedError):
                        self._front.sendto(data, client)

    def _open_flow(self, client: Address) -> socket.socket:
        flow = self._flows[client] = _udp_socket()
        flow.connect(self._server)
        self._loop.add_reader(flow, partial(self._carry_down, flow, client))
        return flow

    def _passes(self, way: str) -> bool:
        lost = self._draws[way].draw()
        self.lost += lost
        self.carried += not lost
        return not lost


@contextmanager
def lossy_path(server: int, loss: float, seed: str) -> Iterator[LossyPath]:
    """A path to the port `server` that loses the share `loss` of the datagrams, some in a row."""
    path = LossyPath(server, loss, seed)
    try:
        yield path
    finally:
        path.close()


class _Loss:
    """Gilbert's model: losses come in runs of 1.5 on average, as on real paths."""

    _RUN = 1.5

    def __init__(self, loss: float, seed: str) -> None:
        self._random = random.Random(seed)
        self._begins = loss / (self._RUN * (1 - loss))
        self._losing = False

    def draw(self) -> bool:
        chance = 1 - 1 / self._RUN if self._losing else self._begins
        self._losing = self._random.random() < chance
        return self._losing


def _udp_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
    return sock
