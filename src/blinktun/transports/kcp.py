"""KCP as a transport: ``kcp://host:port?crypt=...&mode=...``, without a kcptun between.

The wire is kcptun's; each connection is a stream of a session that they share.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from blinktun import kcp
from blinktun.config.model import KcpLink, KcpSettings, PortRange
from blinktun.errors import TransportError
from blinktun.kcp import StreamClass
from blinktun.kcp.core_config import core_config
from blinktun.net.dial import DIAL_TIMEOUT
from blinktun.transports.base import Dialer, Listener, OnStream, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blinktun.address import Address
    from blinktun.config.model import ServerLink
    from blinktun.effects import Chunk
    from blinktun.kcp.keys import FlowKey, StreamKey
    from blinktun.net.resolve import Resolver

_CHUNK = 256 * 1024
"""The most that one ``receive`` returns."""


class KcpStream(Stream):
    """A stream of a session, read and written from Python.

    Bound: as of `kcp.Stream`.
    """

    def __init__(self, stream: kcp.Stream) -> None:
        self._stream = stream
        self._moved = time.monotonic()

    @property
    def peer(self) -> str:
        """The other end of the session, and the stream's number."""
        return f"{self._stream.peer}({self._stream.key[2]})"

    def watch(self, on_broken: Callable[[], None] | None) -> None:
        """Watch the stream."""
        self._stream.watch(on_broken)

    @property
    def idle(self) -> float:
        """Seconds since a byte came or went."""
        return time.monotonic() - self._moved

    async def receive(self) -> Chunk:
        """Return what has come, at most 256 KiB."""
        data = await self._stream.read(_CHUNK)
        self._moved = time.monotonic()
        return data

    async def send(self, data: Chunk) -> None:
        """Write."""
        self._moved = time.monotonic()
        await self._stream.write(data)
        self._moved = time.monotonic()

    async def send_eof(self) -> None:
        """End our direction."""
        self._stream.finish()

    async def aclose(self) -> None:
        """End both directions."""
        await self._stream.aclose()

    def abort(self) -> None:
        """Break the stream off."""
        self._stream.abort()


class PoolDialer(Dialer):
    """Opens streams in the sessions of a pool that somebody else has, wherever it leads."""

    def __init__(self, pool: kcp.SessionPool) -> None:
        self._pool = pool

    async def connect(self, address: Address) -> KcpStream:
        """Open a stream; whether somebody answers shows when it is used."""
        del address  # the pool knows
        return await _open(self._pool, self._pool.stream_class)

    async def connect_interactive(self, address: Address) -> KcpStream:
        """The same, of the class for this."""
        del address
        return await _open(self._pool, StreamClass.INTERACTIVE)


class KcpDialer(Dialer):
    """Opens streams in sessions of its own."""

    def __init__(self, link: KcpLink) -> None:
        core_config(link.kcp)  # says what cannot work before anything is dialled
        self._link = link
        self._pools: dict[Address, kcp.SessionPool] = {}

    async def connect(self, address: Address) -> KcpStream:
        """Open a stream; whether somebody answers shows when it is used."""
        pool = self._pool(address)
        return await _open(pool, pool.stream_class)

    async def connect_interactive(self, address: Address) -> KcpStream:
        """The same, of the class for this."""
        return await _open(self._pool(address), StreamClass.INTERACTIVE)

    async def session(self, address: Address) -> kcp.Session:
        """The session for the next stream or flow of datagrams.

        Raises:
            TransportError: there is none to be had.
        """
        return await _session(self._pool(address))

    def _pool(self, address: Address) -> kcp.SessionPool:
        pool = self._pools.get(address)
        if pool is None:
            remote = PortRange(address.host, address.port, address.port)
            pool = self._pools[address] = kcp.SessionPool(remote, self._link)
        return pool

    async def aclose(self) -> None:
        """End the sessions."""
        await asyncio.gather(*(pool.aclose() for pool in self._pools.values()))


async def _open(pool: kcp.SessionPool, class_: StreamClass) -> KcpStream:
    session = await _session(pool)
    return KcpStream(session.open_stream(class_))


async def _session(pool: kcp.SessionPool) -> kcp.Session:
    try:
        async with asyncio.timeout(DIAL_TIMEOUT):  # the pool itself tries without end
            return pool.pick() or await pool.dial()
    except TimeoutError as error:
        raise TransportError(f"no session within {DIAL_TIMEOUT:g} s") from error


class KcpListener(Listener):
    """A UDP port whose sessions' streams are the connections.

    Attributes:
        on_flow: Gets each flow of datagrams; None: they are refused.
    """

    def __init__(self, address: Address, settings: KcpSettings, on_stream: OnStream) -> None:
        self._on_stream = on_stream
        self.on_flow: Callable[[kcp.Flow], None] | None = None
        self._closing = False
        self._server = kcp.Server(address, settings, self._accept, on_flow=self._accept_flow)

    @property
    def addresses(self) -> Sequence[Address]:
        """Where it listens on UDP."""
        return (self._server.address,)

    async def aclose(self) -> None:
        """Refuse further streams."""
        self._closing = True

    async def release(self) -> None:
        """End the sessions, and stop listening."""
        await self._server.aclose()

    def _accept(self, session: kcp.Session, key: StreamKey) -> None:
        if self._closing:
            session.reset(key)
        else:
            self._on_stream(KcpStream(session.adopt(key)))

    def _accept_flow(self, session: kcp.Session, key: FlowKey) -> None:
        if self._closing or self.on_flow is None:
            session.end_flow(key)
        else:
            self.on_flow(session.adopt_flow(key))


def dialer(link: ServerLink, resolver: Resolver) -> KcpDialer:
    """Dial as a link's service says.

    Raises:
        ConfigError: the settings cannot work.
    """
    del resolver  # sessions look their server up anew each time, as those of kcptun
    return KcpDialer(_settings(link))


async def listen(
    link: ServerLink, on_stream: OnStream, on_refused: OnStream | None = None
) -> KcpListener:
    """Listen as a link's service says; whose datagrams make no sense is not answered.

    Raises:
        ConfigError: the settings cannot work.
        TransportError: the address cannot be bound.
    """
    del on_refused  # there are none
    return KcpListener(link.address, _settings(link).kcp, on_stream)


def _settings(link: ServerLink) -> KcpLink:
    return link.kcp or KcpLink(KcpSettings(key=link.key, nocomp=True))
