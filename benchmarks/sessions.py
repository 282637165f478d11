"""Many KCP clients in one process, over the library; a program of its own.

Each has its own UDP socket, session and stream. The streams speak with `flow`'s server: all are
held before the first one works. The counter is the same as there.
"""

from __future__ import annotations

import argparse
import asyncio
import mmap
import resource
from pathlib import Path

from benchmarks.flow import COUNTER
from blinktun import kcp
from blinktun.config.model import KcpSettings

WINDOW = 256
"""Segments in each direction; the server is given the same."""

SETTINGS = KcpSettings(
    crypt="none", nodelay=1, interval=10, sndwnd=WINDOW, rcvwnd=WINDOW, nocomp=True
)
_AT_ONCE = 50
_READ = 1 << 18


def main() -> None:
    """Open the sessions and keep them busy, or idle, until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--counter", required=True)
    parser.add_argument("--server", type=int, required=True)
    parser.add_argument("--verb", choices="RH", required=True)
    parser.add_argument("--count", type=int, required=True)
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    clients = Clients(options.counter, options.server, options.verb.encode(), options.count)
    asyncio.run(clients.run())


class Clients:
    """The sessions of this process."""

    def __init__(self, counter: str, server: int, verb: bytes, count: int) -> None:
        with Path(counter).open("r+b") as file:
            self._counter = mmap.mmap(file.fileno(), COUNTER.size)
        self._server = f"127.0.0.1:{server}"
        self._verb = verb
        self._received = 0
        self._ready = 0
        self._opening = asyncio.Semaphore(_AT_ONCE)
        self._all_held = asyncio.Barrier(count)

    async def run(self) -> None:
        """Open the sessions, some at a time, and read from all of them."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._all_held.parties):
                group.create_task(self._client())

    async def _client(self) -> None:
        async with self._opening:
            session = await kcp.connect(self._server, SETTINGS)
            stream = session.open_stream()
            await stream.write(b"H")
            await stream.read(1)
            self._count(0, 1)
        await self._all_held.wait()
        if self._verb != b"H":
            await stream.write(self._verb)
        while data := await stream.read(_READ):
            self._count(len(data), 0)

    def _count(self, received: int, ready: int) -> None:
        self._received += received
        self._ready += ready
        COUNTER.pack_into(self._counter, 0, self._received, self._ready)


if __name__ == "__main__":
    main()
