"""Servers and tunnels on loopback, for tests that need real sockets."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from blinktun.address import Address
from blinktun.config.model import (
    BlinksocksClient,
    BlinksocksServer,
    Credentials,
    Inbound,
    PresetSpec,
    ServerLink,
    Tls,
)
from blinktun.net.udp import UdpSocket
from blinktun.presets.socks_address import unpack
from blinktun.proxies.socks5_udp import pack_datagram, unpack_datagram
from blinktun.transports import tcp
from blinktun.tunnel.blinksocks_client import BlinksocksClientRole
from blinktun.tunnel.blinksocks_server import BlinksocksServerRole
from blinktun.tunnel.connections import Connections

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from blinktun.transports.base import Stream

ANY_PORT = Address("127.0.0.1", 0)
_NO_TLS = Tls()
DEFAULT_PRESETS = (PresetSpec("ss-base"), PresetSpec("ss-aead-cipher"))


@asynccontextmanager
async def serving(serve: Callable[[Stream], Coroutine[None, None, None]]) -> AsyncIterator[Address]:
    """Run a TCP server that gives every connection to ``serve``; yield where it listens."""
    connections = Connections()
    listener = await tcp.listen(ANY_PORT, lambda stream: connections.add(stream, serve))
    try:
        yield listener.addresses[0]
    finally:
        await listener.aclose()
        await connections.stop(0)


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A client and its server at work.

    Attributes:
        entry: Where applications connect.
        client: The client's role.
        server: The server's role.
    """

    entry: Address
    client: BlinksocksClientRole
    server: BlinksocksServerRole


@asynccontextmanager
async def tunnel(
    inbound: Inbound,
    *,
    presets: Sequence[PresetSpec] = DEFAULT_PRESETS,
    forward: Address | None = None,
    credentials: Credentials | None = None,
    client_key: str = "secret",
    idle: float = 60.0,
    hold: tuple[float, float] = (5.0, 10.0),
    https: Tls = _NO_TLS,
    mux: bool = False,
) -> AsyncIterator[Tunnel]:
    """Run a blinksocks client and a server that share presets."""
    link = ServerLink("tcp", ANY_PORT, "secret", tuple(presets), mux=mux)
    server = BlinksocksServerRole(BlinksocksServer(link, idle), hold=hold)
    await server.start()
    try:
        link = ServerLink("tcp", server.addresses[0], client_key, tuple(presets), mux=mux)
        client = BlinksocksClientRole(
            BlinksocksClient(inbound, ANY_PORT, link, forward, credentials, idle, https)
        )
        await client.start()
        try:
            yield Tunnel(client.addresses[0], client, server)
        finally:
            await client.stop()
    finally:
        await server.stop()


class Datagrams:
    """An application that exchanges datagrams through SOCKS5."""

    def __init__(self, control: Stream, relay: Address) -> None:
        self._control = control
        self.relay = relay
        self._received: asyncio.Queue[bytes] = asyncio.Queue()
        self._socket = UdpSocket.unbound(
            relay.host, lambda data, _source: self._received.put_nowait(data)
        )

    @classmethod
    async def associate(cls, proxy: Address) -> Self:
        """Ask a proxy for UDP ASSOCIATE."""
        control = await tcp.TcpDialer().connect(proxy)
        try:
            await control.send(b"\x05\x01\x00")
            await read_exactly(control, 2)
            await control.send(b"\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00")
            reply = await read_exactly(control, 10)
            found = unpack(reply[3:])
        except BaseException:
            control.abort()
            raise
        if reply[1] or found is None:
            control.abort()
            raise AssertionError(f"refused: {reply!r}")
        return cls(control, found[0])

    def send(self, target: Address, payload: bytes) -> None:
        """Send to a target."""
        self.send_raw(pack_datagram(target, payload))

    def send_raw(self, data: bytes) -> None:
        """Send to the relay, as it is."""
        self._socket.send(data, self.relay)

    async def receive(self, within: float = 10.0) -> tuple[Address, bytes]:
        """Wait for an answer; returns whose it is, and its payload."""
        async with asyncio.timeout(within):
            return unpack_datagram(await self._received.get())

    def leave(self) -> None:
        """End the control connection, and keep the socket."""
        self._control.abort()

    def close(self) -> None:
        """Leave, and close the socket."""
        self.leave()
        self._socket.close()


@asynccontextmanager
async def answering(
    answer: Callable[[bytes], bytes], host: str = "127.0.0.1"
) -> AsyncIterator[Address]:
    """Run a UDP server that answers every datagram; yield where it listens."""
    sockets: list[UdpSocket] = []

    def receive(data: bytes, source: Address) -> None:
        sockets[0].send(answer(data), source)

    sockets += UdpSocket.listen(Address(host, 0), receive)
    try:
        yield sockets[0].address
    finally:
        sockets[0].close()


async def read_all(stream: Stream) -> bytes:
    """Read up to the end of the peer's direction."""
    parts = []
    while data := await stream.receive():
        parts.append(bytes(data))
    return b"".join(parts)


async def read_exactly(stream: Stream, size: int) -> bytes:
    """Read ``size`` bytes; what the stream holds beyond them is an error.

    Raises:
        AssertionError: more came, or the stream ended first.
    """
    data = b""
    while len(data) < size and (more := await stream.receive()):
        data += more
    if len(data) != size:
        raise AssertionError(f"{len(data)} bytes came instead of {size}: {data[:60]!r}")
    return data


async def echo(stream: Stream) -> None:
    """Send everything back, and end when the peer ends."""
    while data := await stream.receive():
        await stream.send(data)
    await stream.send_eof()
    await stream.aclose()
