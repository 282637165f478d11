"""The blinksocks client: proxies in, presets over a transport out."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, assert_never, cast

from blinktun.address import Address
from blinktun.config.model import Inbound
from blinktun.effects import ConnectTo
from blinktun.errors import LocalError, ProtocolError, RemoteError, TransportError
from blinktun.net.half_open import HalfOpen
from blinktun.net.resolve import Resolver
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.registry import PipelineMaker
from blinktun.proxies.base import Associate
from blinktun.proxies.detect import handshake_maker
from blinktun.proxies.http_exchange import Exchange
from blinktun.proxies.http_message import answer
from blinktun.proxies.refusal import Refusal
from blinktun.relay.relay import linger, relay
from blinktun.transports import tcp, tls, upgrade
from blinktun.transports.registry import find_transport
from blinktun.transports.tls_context import server_context
from blinktun.transports.watching import unless_broken
from blinktun.tunnel.application import Application, refusal_of
from blinktun.tunnel.blinksocks_role import BlinksocksRole
from blinktun.tunnel.effective import link_line
from blinktun.tunnel.http_forward import HttpForward
from blinktun.tunnel.mux_pool import MuxOutbound
from blinktun.tunnel.mux_session import ANSWER_WAIT
from blinktun.tunnel.outbound import DirectOutbound, Outbound
from blinktun.tunnel.udp_flow import FlowPath
from blinktun.tunnel.udp_inbound import UdpInbound
from blinktun.tunnel.udp_path import udp_path_maker
from blinktun.tunnel.udp_stream import StreamPath

if TYPE_CHECKING:
    from collections.abc import Collection

    from blinktun.config.model import BlinksocksClient, ServerLink
    from blinktun.effects import Chunk
    from blinktun.transports.base import Dialer, Listener, Stream
    from blinktun.transports.kcp import KcpDialer
    from blinktun.tunnel.udp_exit import OnAnswer
    from blinktun.tunnel.udp_path import Path, PathMaker

_log = logging.getLogger("blinktun.blinksocks")

_SOCKS = {Inbound.SOCKS, Inbound.AUTO}
"""Who speaks SOCKS."""
_TLS_ANSWER_WAIT = 5.0
"""Seconds for an answer, over ``mux``, to an application that has said ``close_notify``.

Many do not leave before they have heard ours, which only their target's end or silence can cause.
"""
_HEADER_DELAY = 0.08
"""Seconds that the target waits for the application's first bytes, to travel with them."""


class BlinksocksClientRole(BlinksocksRole):
    """A blinksocks client at work.

    Args:
        config: What to serve.
        dialer: Connects to the server; None: as the configuration says.

    Raises:
        ConfigError: the configuration cannot be used.
    """

    _datagrams: UdpInbound | None

    def __init__(self, config: BlinksocksClient, dialer: Dialer | None = None) -> None:
        self._config = config
        self._apps: dict[Stream, Application] = {}
        self._make_handshake = handshake_maker(config)
        resolver = Resolver.shared(config.dns)
        make_pipeline = PipelineMaker(
            config.server.presets,
            role=Role.CLIENT,
            where="server.presets",
            source=config.source,
        )
        own = find_transport(config.server, source=config.source).dialer
        way = dialer or own(config.server, resolver)
        self._outbound = _outbound(config, make_pipeline, way)
        datagrams = _datagrams(config, make_pipeline, resolver, self._outbound)
        if datagrams and dialer is None and config.server.transport == "kcp":
            sessions = cast("KcpDialer", way)
            datagrams = UdpInbound(
                _over_kcp(config.server, make_pipeline, self._outbound, sessions)
            )
        super().__init__(config.listen, datagrams)
        self._half_open = HalfOpen()

    async def stop(self, grace: float = 0.0) -> None:
        """Stop as every role, and then let go of the way to the server."""
        await super().stop(grace)
        await self._outbound.aclose()

    def _hopeless(self) -> Collection[Stream]:
        return {stream for stream, app in self._apps.items() if app.is_resting}

    async def _listen(self) -> Listener:
        def add(app: Stream) -> None:
            self._connections.add(app, self._serve)

        if not self._config.https.cert:
            return await tcp.listen(self._config.listen, add)
        context = server_context(self._config.https, keys="https")
        text = "this port speaks HTTPS: write https:// for the proxy, not http://"
        page = answer(None, HTTPStatus.BAD_REQUEST, text, close=True)
        secure = tls.accepting(context, to_plain_http=page)
        return await upgrade.listen(self._config.listen, add, secure=secure)

    def _announce(self) -> None:
        for address in self.addresses:
            _log.info("blinksocks client is running at %s://%s", self._config.scheme, address)
        if self._datagrams:
            _log.info("blinksocks udp server is running at udp://%s", self.addresses[0])
        _log.info("server %s", link_line(self._config.server))
        if self._config.inbound in _SOCKS and self._config.credentials:
            if self._config.allows_socks4:
                _log.warning("SOCKS4 has no passwords: its requests are served without one")
            else:
                _log.info("SOCKS4 has no passwords: its requests are refused")

    async def _serve(self, stream: Stream) -> None:
        app = Application(stream, self._make_handshake(), self._total)
        self._apps[stream] = app
        try:
            ended = await self._run(app)
        except (ProtocolError, TransportError) as error:
            app.abort()
            ended = str(error)
        except asyncio.CancelledError:
            await app.stop()
            app.record.log_end("stopped")
            raise
        except BaseException:
            app.abort()
            app.record.log_end("failed")
            raise
        finally:
            del self._apps[stream]
        app.record.log_end(ended)

    async def _run(self, app: Application) -> str:
        """Take a connection from its first byte to its end, and return how it ended."""
        try:
            with self._half_open.hold(app.stream.peer, app.stream.abort):
                errand = await app.negotiate()
        except RemoteError as error:
            await linger(app.stream)
            return str(error)
        app.is_resting = False
        match errand:
            case ConnectTo(target):
                return await self._tunnel(app, target)
            case Associate():
                return await self._associate(app)
            case Exchange():
                ended = await HttpForward(app, self._outbound, idle=self._config.timeout).run(
                    errand
                )
                return ended if isinstance(ended, str) else await self._tunnel(app, ended)
            case _:
                assert_never(errand)

    async def _tunnel(self, app: Application, target: Address) -> str:
        """Copy between the application and its target."""
        app.lead_to(target)
        app.record.step("the application has said where to")
        try:
            tunnel = app.tunnel = await unless_broken(app.stream, self._outbound.open(target))
        except (TransportError, LocalError) as error:
            await _refuse(app, error)
            return f"no tunnel: {error}"
        app.record.step("the way to the server is open")
        if reply := app.handshake.granted():
            await app.stream.send(reply)
        await self._send_first(app, tunnel)
        await relay(app.stream, tunnel, idle=self._config.timeout, traffic=app.record.traffic)
        await asyncio.gather(app.stream.aclose(), tunnel.aclose())
        return "closed"

    async def _associate(self, app: Application) -> str:
        """Say where datagrams go, and wait for the application to leave."""
        stream = app.stream
        if self._datagrams is None or stream.local is None:
            await stream.send(app.handshake.refused(Refusal.NOT_ALLOWED))
            await linger(stream)
            return "datagrams are not relayed here"
        host = Address.parse(stream.peer).host
        association = self._datagrams.associate(host, app.record.traffic)
        try:
            here = replace(stream.local, port=self._datagrams.port)
            await stream.send(app.handshake.granted_datagrams(here))
            while await stream.receive():
                pass
        finally:
            association.close()
        await stream.aclose()
        return "association closed"

    async def _send_first(self, app: Application, tunnel: Stream) -> None:
        """Send the target, with the application's first bytes if they come in time.

        Waiting for them without an end would hang every protocol in which the target speaks first.
        """
        first: Chunk = app.handshake.take_early()
        if not first and self._outbound.sends_lone_header:
            first = await app.first_bytes(_HEADER_DELAY)
            await tunnel.send(first)
        elif first:
            await tunnel.send(first)
        app.record.traffic.add(up=len(first))


async def _refuse(app: Application, error: Exception) -> None:
    """Tell the application, in its protocol, that there is no tunnel."""
    reply = app.handshake.refused(refusal_of(error))
    if not reply:
        app.abort()
        return
    await app.stream.send(reply)
    await linger(app.stream)


def _outbound(
    config: BlinksocksClient,
    make_pipeline: PipelineMaker,
    dialer: Dialer,
) -> Outbound:
    """What the configuration says about the way to the server.

    Raises:
        ConfigError: it cannot be used.
    """
    link = config.server
    if link.mux:
        wait = _TLS_ANSWER_WAIT if config.https.cert else ANSWER_WAIT
        return MuxOutbound(link, make_pipeline, dialer, idle=config.timeout, answer_wait=wait)
    return DirectOutbound(link, make_pipeline, dialer)


def _over_kcp(
    link: ServerLink, make_pipeline: PipelineMaker, outbound: Outbound, dialer: KcpDialer
) -> PathMaker:
    """Datagrams go in flows, or in streams if the presets or the server have no other way."""

    def stream(on_answer: OnAnswer) -> Path:
        return StreamPath(outbound, on_answer)

    # Presets that chain datagrams understand nothing behind one that is lost.
    if make_pipeline.without_datagrams or make_pipeline.chains_datagrams:
        return stream
    context = PresetContext(Role.CLIENT, link.key)

    def flow(on_answer: OnAnswer) -> Path:
        pipeline = make_pipeline(context)
        return FlowPath(lambda: dialer.session(link.address), pipeline, stream, on_answer)

    return flow


def _datagrams(
    config: BlinksocksClient, make_pipeline: PipelineMaker, resolver: Resolver, outbound: Outbound
) -> UdpInbound | None:
    """The relay of datagrams, if there is one: SOCKS5 alone has words for it."""
    if config.inbound not in _SOCKS:
        return None
    if config.server.transport == "kcp":
        return UdpInbound(lambda on_answer: StreamPath(outbound, on_answer))
    if make_pipeline.without_datagrams:
        return None
    return UdpInbound(udp_path_maker(config.server, make_pipeline, resolver))
