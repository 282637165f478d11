"""The traffic: a source behind the tunnel, and a client in front of it; a program of its own.

A connection begins with a byte that says what it wants: `B` bulk data for as long as it lives, `E`
every KiB back. The client writes two lines of JSON, and waits for an empty line between them:

| line | when | what it holds |
| --- | --- | --- |
| `{"idle": []}` | the requests alone are over | seconds of each of them |
| `{"requests": [], "marks": []}` | the download is over | those beside it; what had come when |
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
import threading
import time
from functools import partial

REQUEST = 1024
"""Bytes of a request and of its answer."""
_PAUSE = 0.12
"""Seconds from one request to the next, unless the first takes longer."""
_WARM = 0.5
"""Seconds of requests that are not measured: the tunnel opens its session."""
_PATIENCE = 20.0
_MARK = 0.002
"""Seconds between two marks, at least."""
_PIECE = 1 << 20


def main() -> None:
    """Serve until killed, or measure once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address", help="HOST:PORT to listen on or to connect to")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--congestion", help="of the kernel's TCP, for this program's connections")
    parser.add_argument("--idle", type=float, default=0.0, help="seconds of requests alone")
    parser.add_argument("--seconds", type=float, default=0.0, help="of the download")
    parser.add_argument("--download-only", action="store_true", help="no requests at all")
    options = parser.parse_args()
    host, _, port = options.address.rpartition(":")
    address = host, int(port)
    if options.serve:
        serve(address, options.congestion)
    else:
        client = Client(address, options.congestion)
        client.measure(options.idle, options.seconds, asks=not options.download_only)


# --- the source -----------------------------------------------------------------------------


def serve(address: tuple[str, int], congestion: str | None) -> None:
    """Answer every connection, each in a thread."""
    block = os.urandom(_PIECE)  # a tunnel that compresses must not gain from it
    with socket.create_server(address, backlog=64) as listener:
        _choose(listener, congestion)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_answer, args=(connection, block), daemon=True).start()


def _answer(connection: socket.socket, block: bytes) -> None:
    with connection, contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        verb = connection.recv(1)
        while verb == b"B":
            connection.sendall(block)
        while request := _receive(connection):
            connection.sendall(request)


def _receive(connection: socket.socket) -> bytes:
    """A request or its answer; empty at the end of the connection."""
    data = b""
    while len(data) < REQUEST:
        piece = connection.recv(REQUEST - len(data))
        if not piece:
            return b""
        data += piece
    return data


def _choose(connection: socket.socket, congestion: str | None) -> None:
    if congestion:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())


# --- the client -----------------------------------------------------------------------------


class Client:
    """Asks on one connection and downloads on another."""

    def __init__(self, address: tuple[str, int], congestion: str | None) -> None:
        self._address = address
        self._congestion = congestion

    def measure(self, idle: float, seconds: float, *, asks: bool) -> None:
        """Requests alone, then a download with requests beside it."""
        asked = self._connect(b"E")
        _ask(asked, _WARM, more_follow=True)
        alone = _ask(asked, idle, more_follow=True)
        _say({"idle": alone})
        sys.stdin.readline()
        beside: list[float] = []
        began = time.monotonic()
        if asks:
            ask = partial(_ask, asked, seconds, more_follow=False)
            asker = threading.Thread(target=lambda: beside.extend(ask()))
            asker.start()
        marks = _download(self._connect(b"B"), began, seconds)
        if asks:
            asker.join()
        _say({"requests": beside, "marks": marks})

    def _connect(self, verb: bytes) -> socket.socket:
        connection = socket.socket()
        _choose(connection, self._congestion)
        connection.settimeout(_PATIENCE)
        connection.connect(self._address)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(verb)
        return connection


def _ask(connection: socket.socket, seconds: float, *, more_follow: bool) -> list[float]:
    """How long each request took that began within so many seconds.

    If more follow on this connection, the last one is waited for. Else it counts until the end.
    """
    took: list[float] = []
    request = os.urandom(REQUEST)
    end = time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        connection.settimeout(_PATIENCE if more_follow else end - began)
        try:
            connection.sendall(request)
            answered = len(_receive(connection)) == REQUEST
        except TimeoutError:
            answered = False
        now = time.monotonic()
        took.append(now - began)
        if not answered:
            break
        time.sleep(max(0.0, _PAUSE - (now - began)))
    return took


def _download(connection: socket.socket, began: float, seconds: float) -> list[tuple[float, int]]:
    marks, received = [(0.0, 0)], 0
    with connection:
        while (left := began + seconds - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                received += len(connection.recv(_PIECE))
            except TimeoutError:
                break
            at = time.monotonic() - began
            if at - marks[-1][0] >= _MARK:
                marks.append((at, received))
    return [*marks, (seconds, received)]


def _say(values: object) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
