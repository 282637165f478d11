"""The blinksocks client: proxies in, presets over a transport out."""

from __future__ import annotations

import asyncio
import errno
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from blinktun.address import Address
from blinktun.config.model import Inbound
from blinktun.effects import ConnectTo, Forward, Reject, Reply
from blinktun.errors import LocalError, ProtocolError, RemoteError, TransportError
from blinktun.presets.base import Role
from blinktun.presets.registry import PipelineMaker
from blinktun.proxies.base import Associate, Demand, Handshake, Refusal
from blinktun.proxies.detect import handshake_maker
from blinktun.transports import tcp, tls, upgrade
from blinktun.transports.base import Stream
from blinktun.transports.registry import find_transport
from blinktun.transports.resolver import Resolver
from blinktun.transports.tls_context import server_context
from blinktun.tunnel.connections import Connections
from blinktun.tunnel.mux_pool import MuxOutbound
from blinktun.tunnel.outbound import DirectOutbound, Outbound
from blinktun.tunnel.record import Record
from blinktun.tunnel.relay import Traffic, linger, relay
from blinktun.tunnel.udp_inbound import UdpInbound
from blinktun.tunnel.udp_path import udp_path_maker
from blinktun.tunnel.udp_stream import StreamPath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.config.model import BlinksocksClient
    from blinktun.effects import Chunk
    from blinktun.transports.base import Dialer, Listener

_log = logging.getLogger("blinktun.blinksocks")

_HANDSHAKE_TIMEOUT = 30.0
"""Seconds for an application to say where it wants to go."""
_HEADER_DELAY = 0.08
"""Seconds that the target waits for the application's first bytes, to travel with them."""


class BlinksocksClientRole:
    """A blinksocks client at work.

    Args:
        config: What to serve.
        dialer: Connects to the server; None: as the configuration says.

    Raises:
        ConfigError: the configuration cannot be used.
    """

    def __init__(self, config: BlinksocksClient, dialer: Dialer | None = None) -> None:
        self._config = config
        self._make_handshake = handshake_maker(config)
        resolver = Resolver(config.dns)
        make_pipeline = PipelineMaker(
            config.server.presets,
            role=Role.CLIENT,
            where="server.presets",
            source=config.source,
        )
        self._outbound = _outbound(config, make_pipeline, resolver, dialer)
        self._datagrams = _datagrams(config, make_pipeline, resolver, self._outbound)
        self._connections = Connections()
        self._listener: Listener | None = None
        self._total = Traffic()

    @property
    def addresses(self) -> Sequence[Address]:
        """Where it listens, while it runs."""
        return self._listener.addresses if self._listener else ()

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes up and down so far."""
        return self._total.up, self._total.down

    async def start(self) -> None:
        """Listen.

        Raises:
            TransportError: the address cannot be bound.
            ConfigError: the certificate of an https service cannot be used.
        """
        self._listener = await self._listen()
        if self._datagrams:
            try:
                self._datagrams.start(replace(self._config.listen, port=self.addresses[0].port))
            except TransportError:
                await self.stop()
                raise
        for address in self.addresses:
            _log.info("blinksocks client is running at %s://%s", self._config.scheme, address)
        if self._config.inbound is Inbound.SOCKS and self._config.credentials:
            _log.warning("SOCKS4 knows no passwords: its requests are accepted without one")

    async def stop(self, grace: float = 0.0) -> None:
        """Stop listening, let connections end for ``grace`` seconds, reset the rest."""
        if self._listener:
            await self._listener.aclose()
            self._listener = None
        if self._datagrams:
            self._datagrams.stop()
        await self._connections.stop(grace)
        await self._outbound.aclose()

    async def _listen(self) -> Listener:
        def add(app: Stream) -> None:
            self._connections.add(app, self._serve)

        if not self._config.https.cert:
            return await tcp.listen(self._config.listen, add)
        context = server_context(self._config.https, keys="https")
        return await upgrade.listen(self._config.listen, tls.accepting(context), add)

    async def _serve(self, app: Stream) -> None:
        record = Record(app.peer, self._total)
        connection = _Connection(app, self._make_handshake(), record)
        try:
            ended = await self._run(connection)
        except (ProtocolError, TransportError) as error:
            connection.abort()
            ended = str(error)
        except BaseException as error:
            connection.abort()
            record.log_end("stopped" if isinstance(error, asyncio.CancelledError) else "failed")
            raise
        record.log_end(ended)

    async def _run(self, connection: _Connection) -> str:
        """Take a connection from its first byte to its end, and return how it ended."""
        app = connection.app
        try:
            target = await connection.negotiate()
        except RemoteError as error:
            await linger(app)
            return str(error)
        if target is None:
            return await self._associate(connection)
        try:
            tunnel = connection.tunnel = await self._outbound.open(target)
        except (TransportError, LocalError) as error:
            await _refuse(connection, error)
            return f"no tunnel: {error}"
        if reply := connection.handshake.granted():
            await app.send(reply)
        await self._send_first(connection, tunnel)
        await relay(
            connection.source(),
            tunnel,
            idle=self._config.timeout,
            traffic=connection.record.traffic,
        )
        await asyncio.gather(app.aclose(), tunnel.aclose())
        return "closed"

    async def _associate(self, connection: _Connection) -> str:
        """Say where datagrams go, and wait for the application to leave."""
        app = connection.app
        if self._datagrams is None or app.local is None:
            await app.send(connection.handshake.refused(Refusal.NOT_ALLOWED))
            await linger(app)
            return "datagrams are not relayed here"
        self._datagrams.admit(Address.parse(app.peer).host)
        here = replace(app.local, port=self._datagrams.port)
        await app.send(connection.handshake.granted_datagrams(here))
        while await app.receive():
            pass
        await app.aclose()
        return "association closed"

    async def _send_first(self, connection: _Connection, tunnel: Stream) -> None:
        """Send the target, with the application's first bytes if they come in time.

        Waiting for them without an end would hang every protocol in which the target speaks first.
        """
        first: Chunk = connection.handshake.take_early()
        if not first and self._outbound.sends_lone_header:
            first = await connection.first_bytes(_HEADER_DELAY)
            await tunnel.send(first)
        elif first:
            await tunnel.send(first)
        connection.record.traffic.add(up=len(first))


class _Connection:
    """One application, and what has been found out about it."""

    def __init__(self, app: Stream, handshake: Handshake, record: Record) -> None:
        self.app = app
        self.handshake = handshake
        self.record = record
        self.tunnel: Stream | None = None
        self._associates = False

    async def negotiate(self) -> Address | None:
        """Run the handshake; returns the target, None if datagrams are to be relayed.

        Raises:
            RemoteError: it was rejected; the application has been told.
            TransportError: the application left, or was silent for too long.
        """
        try:
            async with asyncio.timeout(_HANDSHAKE_TIMEOUT):
                await self._perform(self.handshake.start())
                while self.record.target is None and not self._associates:
                    data = await self.app.receive()
                    if not data:
                        raise TransportError("left during the handshake", peer=self.app.peer)
                    await self._perform(self.handshake.receive(data))
                return self.record.target
        except TimeoutError:
            raise TransportError("no request", peer=self.app.peer) from None

    async def first_bytes(self, delay: float) -> Chunk:
        """Return what the application sends within ``delay`` seconds, perhaps nothing."""
        try:
            async with asyncio.timeout(delay):
                return await self.source().receive()
        except TimeoutError:
            return b""

    def source(self) -> Stream:
        """Return the stream that holds what is meant for the target."""
        return _Filtered(self.app, self.handshake) if self.handshake.filters_upload else self.app

    def abort(self) -> None:
        """End everything with an error."""
        self.app.abort()
        if self.tunnel:
            self.tunnel.abort()

    async def _perform(self, demands: Sequence[Demand]) -> None:
        for demand in demands:
            match demand:
                case Reply(data):
                    await self.app.send(data)
                case ConnectTo(target):
                    self.record.target = target
                case Associate():
                    self._associates = True
                case Reject(reason):
                    raise RemoteError(reason)
                case Forward():
                    raise LocalError("a handshake cannot forward")
                case _:
                    assert_never(demand)


class _Filtered(Stream):
    """An application whose bytes pass its handshake on their way to the target."""

    def __init__(self, app: Stream, handshake: Handshake) -> None:
        self._app = app
        self._handshake = handshake

    @property
    def peer(self) -> str:
        return self._app.peer

    async def receive(self) -> Chunk:
        while data := await self._app.receive():
            if passed := self._handshake.upload(data):
                return passed
        return b""

    async def send(self, data: Chunk) -> None:
        await self._app.send(data)

    async def send_eof(self) -> None:
        await self._app.send_eof()

    async def aclose(self) -> None:
        await self._app.aclose()

    def abort(self) -> None:
        self._app.abort()


async def _refuse(connection: _Connection, error: Exception) -> None:
    """Tell the application, in its protocol, that there is no tunnel."""
    reply = connection.handshake.refused(_refusal(error))
    if not reply:
        connection.abort()
        return
    await connection.app.send(reply)
    await linger(connection.app)


def _refusal(error: Exception) -> Refusal:
    match error.__cause__:
        case ConnectionRefusedError():
            return Refusal.CONNECTION_REFUSED
        case TimeoutError():
            return Refusal.TIMED_OUT
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH):
            return Refusal.HOST_UNREACHABLE
    return Refusal.FAILED


def _outbound(
    config: BlinksocksClient,
    make_pipeline: PipelineMaker,
    resolver: Resolver,
    dialer: Dialer | None,
) -> Outbound:
    """What the configuration says about the way to the server.

    Raises:
        ConfigError: it cannot be used.
    """
    link = config.server
    dialer = dialer or find_transport(link, source=config.source).dialer(link, resolver)
    if link.mux:
        return MuxOutbound(link, make_pipeline, dialer, idle=config.timeout)
    return DirectOutbound(link, make_pipeline, dialer)


def _datagrams(
    config: BlinksocksClient, make_pipeline: PipelineMaker, resolver: Resolver, outbound: Outbound
) -> UdpInbound | None:
    """The relay of datagrams, if there is one: SOCKS5 alone has words for it."""
    if config.inbound is not Inbound.SOCKS:
        return None
    for_all = config.credentials is None
    if config.server.transport == "kcp":
        return UdpInbound(lambda on_answer: StreamPath(outbound, on_answer), for_all=for_all)
    if make_pipeline.without_datagrams:
        return None
    return UdpInbound(udp_path_maker(config.server, make_pipeline, resolver), for_all=for_all)
