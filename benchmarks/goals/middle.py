"""A UDP path whose datagrams can be recorded, dropped, changed, repeated and moved."""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Way = Literal["up", "down"]
Rule = "Callable[[Way, bytes], Iterable[bytes]]"


class Middle:
    """Carries the datagrams of one client to a server and back.

    Attributes:
        port: Where the client sends to.
        rule: Says what arrives for each datagram; nothing is a loss.
        counts: Datagrams that were sent into the path, in each direction.
        recorded: What the client sent, the first 10,000.
    """

    def __init__(self, server: int) -> None:
        self.rule: Callable[[Way, bytes], Iterable[bytes]] = lambda _way, data: (data,)
        self.counts: dict[Way, int] = {"up": 0, "down": 0}
        self.recorded: list[bytes] = []
        self._server = ("127.0.0.1", server)
        self._client: tuple[str, int] | None = None
        self._loop = asyncio.get_running_loop()
        self._front = _socket()
        self.port: int = self._front.getsockname()[1]
        self._back = _socket()
        self._loop.add_reader(self._front, self._up)
        self._loop.add_reader(self._back, self._down)

    def rebind(self) -> None:
        """Give the client another port towards the server, as a NAT does."""
        self._loop.remove_reader(self._back)
        self._back.close()
        self._back = _socket()
        self._loop.add_reader(self._back, self._down)

    def close(self) -> None:
        """Carry no more."""
        for sock in (self._front, self._back):
            self._loop.remove_reader(sock)
            sock.close()

    def _up(self) -> None:
        with suppress(BlockingIOError):
            for _ in range(256):
                data, self._client = self._front.recvfrom(65_535)
                self.counts["up"] += 1
                if len(self.recorded) < 10_000:
                    self.recorded.append(data)
                for passed in self.rule("up", data):
                    with suppress(OSError):
                        self._back.sendto(passed, self._server)

    def _down(self) -> None:
        with suppress(BlockingIOError, ConnectionRefusedError):
            for _ in range(256):
                data = self._back.recv(65_535)
                self.counts["down"] += 1
                for passed in self.rule("down", data):
                    if self._client:
                        with suppress(OSError):
                            self._front.sendto(passed, self._client)


@contextmanager
def middle(server: int) -> Iterator[Middle]:
    """A path to the port `server`."""
    path = Middle(server)
    try:
        yield path
    finally:
        path.close()


def send_from(host: str, datagrams: Iterable[bytes], port: int) -> int:
    """Send datagrams from an address of this machine; returns the bytes that came back so far."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        sock.setblocking(False)
        for data in datagrams:
            with suppress(OSError):
                sock.sendto(data, ("127.0.0.1", port))
        return _drained(sock)


def _drained(sock: socket.socket) -> int:
    total = 0
    with suppress(OSError):
        while True:
            total += len(sock.recv(65_535))
    return total


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, 8 << 20)
    return sock
