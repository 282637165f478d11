"""Two ends of a KCP conversation in one event loop, and what tests do with them."""

from __future__ import annotations

import asyncio
import gc
import random
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.unit.waiting import PATIENCE

from blinktun import kcp
from blinktun.address import Address
from blinktun.config.model import KcpSettings
from blinktun.net.udp import UdpSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blinktun.kcp.keys import StreamKey

ANY_PORT = Address("127.0.0.1", 0)
SETTINGS = KcpSettings(key="unit tests", nodelay=1, interval=10, smuxver=2)
BIG = random.Random(1).randbytes(2 << 20)
"""Does not compress: what is compressed fits into windows many times over."""


@dataclass(frozen=True, slots=True)
class Peers:
    """Both ends.

    Attributes:
        near: The client's session.
        server: The other end.
        opened: Streams that the client opened, as the server sees them.
    """

    near: kcp.Session
    server: kcp.Server
    opened: asyncio.Queue[kcp.Stream]

    async def accept(self) -> kcp.Stream:
        """The server's end of the next stream."""
        async with asyncio.timeout(PATIENCE):
            return await self.opened.get()

    async def stream(self) -> tuple[kcp.Stream, kcp.Stream]:
        """Both ends of a new stream, over which one byte has gone."""
        near = self.near.open_stream()
        await near.write(b"!")
        far = await self.accept()
        assert await far.read() == b"!"
        return near, far

    @property
    def far(self) -> kcp.Session:
        """The server's session."""
        (session,) = self.server.sessions.values()
        return session


@asynccontextmanager
async def peers(
    settings: KcpSettings = SETTINGS, *, server_settings: KcpSettings | None = None
) -> AsyncIterator[Peers]:
    opened: asyncio.Queue[kcp.Stream] = asyncio.Queue()
    server = listening(opened, ANY_PORT, server_settings or settings)
    try:
        async with await kcp.connect(server.address, settings) as near:
            yield Peers(near, server, opened)
    finally:
        await server.aclose(within=0)  # its peer is gone, nobody would acknowledge anything


def listening(
    opened: asyncio.Queue[kcp.Stream], address: Address, settings: KcpSettings = SETTINGS
) -> kcp.Server:
    """A server that hands out its streams."""

    def on_stream(session: kcp.Session, key: StreamKey) -> None:
        opened.put_nowait(session.adopt(key))

    return kcp.Server(address, settings, on_stream)


def crash(server: kcp.Server) -> None:
    """Take a server away without a word to anyone, as the end of its process would."""
    server._close_udp()
    server._driver.wake()


async def read_all(stream: kcp.Stream) -> bytes:
    """Read up to the clean end of the peer's direction."""
    parts = []
    async with asyncio.timeout(PATIENCE):
        while data := await stream.read():
            parts.append(data)
    return b"".join(parts)


async def echo(stream: kcp.Stream) -> None:
    while data := await stream.read():
        await stream.write(data)


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected, non-blocking TCP sockets: an application's and ours."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    app.setblocking(False)
    ours.setblocking(False)
    return app, ours


class Way:
    """A UDP port that leads to a server; after `cut` only for clients that come later."""

    def __init__(self, server: Address) -> None:
        self._server = server
        self._near = UdpSocket.unbound("127.0.0.1", self._forward)
        self._far: dict[Address, UdpSocket] = {}
        self._is_cut: set[Address] = set()

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self._near.address.port)

    def cut(self) -> None:
        self._is_cut.update(self._far)

    def close(self) -> None:
        for each in (self._near, *self._far.values()):
            each.close()

    def _forward(self, data: bytes, client: Address) -> None:
        if client not in self._far:

            def answer(data: bytes, _: Address) -> None:
                self._near.send(data, client)

            self._far[client] = UdpSocket.unbound("127.0.0.1", answer)
        if client not in self._is_cut:
            self._far[client].send(data, self._server)


def deaf_port() -> socket.socket:
    """A UDP socket that takes everything and answers nothing."""
    deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    deaf.bind(("127.0.0.1", 0))
    return deaf


def open_descriptors() -> int:
    gc.collect()  # a reactor of an earlier event loop may wait for it
    return descriptors()


def descriptors() -> int:
    """Those of what is garbage included; quick enough to be asked again and again."""
    return len(list(Path("/proc/self/fd").iterdir()))
