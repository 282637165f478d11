"""The source and sink of bulk data, a program of its own; it must never be the slow part.

Sources send pages of memory with sendfile; sinks let the kernel throw the bytes away (MSG_TRUNC
of tcp(7)). A connection begins with `H`, and all of them are held before the first one works; then
one byte says what its client wants:

| byte | the server |
| --- | --- |
| `H` | answers one byte, then holds the connection until the next |
| `R` | sends for as long as the connection lives |
| `S` | throws away what comes |

The counter is a file of two 64-bit numbers in native order: bytes received by this process, and
connections at work.
"""

from __future__ import annotations

import argparse
import mmap
import os
import resource
import select
import socket
import struct
import sys
from pathlib import Path

_PIECE = 1 << 20
COUNTER = struct.Struct("=QQ")


def main() -> None:
    """Serve, or open connections and keep them busy, until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--counter", required=True)
    parser.add_argument("--listen", type=int, help="serve on this port")
    parser.add_argument("--connect", type=int, help="open connections to this port")
    parser.add_argument("--socks", type=int, help="through a SOCKS5 proxy there, to this port")
    parser.add_argument("--verb", choices="RSH")
    parser.add_argument("--count", type=int, default=1)
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    flow = Flow(options.counter)
    if options.listen:
        flow.listen(options.listen)
    else:
        flow.connect(options.connect, options.socks, options.count, options.verb.encode())
    flow.run()


class Flow:
    """All connections of this process, on one epoll."""

    def __init__(self, counter: str) -> None:
        with Path(counter).open("r+b") as file:
            self._counter = mmap.mmap(file.fileno(), COUNTER.size)
        self._received = 0
        self._ready = 0
        self._epoll = select.epoll()
        self._listener: socket.socket | None = None
        self._verb = b"H"
        self._undecided: set[int] = set()
        self._waiting: set[int] = set()
        self._connections: dict[int, socket.socket] = {}
        self._buffer = bytearray(_PIECE)
        self._memory = os.memfd_create("source")
        # Random, so that no compression can shorten it.
        os.write(self._memory, os.urandom(_PIECE))

    def listen(self, port: int) -> None:
        """Accept connections."""
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._epoll.register(self._listener, select.EPOLLIN)

    def connect(self, port: int, socks: int | None, count: int, verb: bytes) -> None:
        """Open connections; when the last one is held, all begin what `verb` says."""
        self._verb = verb
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port))
            if socks:
                _ask_proxy(connection, socks)
            connection.sendall(b"H")
            self._waiting.add(self._add(connection, select.EPOLLIN))

    def run(self) -> None:
        """Move bytes until killed."""
        while True:
            for number, events in self._epoll.poll():
                try:
                    self._handle(number, events)
                except OSError:
                    self._drop(number)

    def _handle(self, number: int, events: int) -> None:
        if self._listener and number == self._listener.fileno():
            connection = self._listener.accept()[0]
            self._undecided.add(self._add(connection, select.EPOLLIN))
        elif number in self._undecided:
            self._decide(number)
        elif events & select.EPOLLOUT:
            os.sendfile(number, self._memory, 0, _PIECE)
        else:
            self._discard(number)

    def _decide(self, number: int) -> None:
        connection = self._connections[number]
        verb = connection.recv(1)
        if verb == b"H":
            connection.send(b".")
            return
        self._undecided.discard(number)
        if verb == b"R":
            self._epoll.modify(number, select.EPOLLOUT)
        elif not verb:
            self._drop(number)

    def _discard(self, number: int) -> None:
        size = self._connections[number].recv_into(self._buffer, _PIECE, socket.MSG_TRUNC)
        if not size:
            self._drop(number)
            return
        if number not in self._waiting:
            self._count(size, 0)
            return
        self._waiting.discard(number)
        self._count(0, 1)
        if not self._waiting and self._verb != b"H":
            self._begin()

    def _begin(self) -> None:
        for number, connection in self._connections.items():
            connection.send(self._verb)
            if self._verb == b"S":
                self._epoll.modify(number, select.EPOLLOUT)

    def _add(self, connection: socket.socket, events: int) -> int:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        number = connection.fileno()
        self._connections[number] = connection
        self._epoll.register(number, events)
        return number

    def _drop(self, number: int) -> None:
        self._undecided.discard(number)
        self._epoll.unregister(number)
        self._connections.pop(number).close()

    def _count(self, received: int, ready: int) -> None:
        self._received += received
        self._ready += ready
        COUNTER.pack_into(self._counter, 0, self._received, self._ready)


def _ask_proxy(connection: socket.socket, target: int) -> None:
    connection.sendall(b"\x05\x01\x00")
    if connection.recv(2, socket.MSG_WAITALL) != b"\x05\x00":
        sys.exit("the proxy wants a password")
    connection.sendall(b"\x05\x01\x00\x01\x7f\x00\x00\x01" + target.to_bytes(2, "big"))
    if connection.recv(10, socket.MSG_WAITALL)[:2] != b"\x05\x00":
        sys.exit("the proxy refuses")


if __name__ == "__main__":
    main()
