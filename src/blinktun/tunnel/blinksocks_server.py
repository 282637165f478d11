"""The blinksocks server: presets over a transport in, TCP to targets out."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, cast

from blinktun.admission.access import Access, source_of
from blinktun.admission.redirect import Fallback
from blinktun.admission.targets import TargetPolicy
from blinktun.admission.unauthenticated import (
    HOLD,
    UnauthenticatedPeer,
    UnauthenticatedPeers,
    UnfinishedError,
)
from blinktun.errors import AccessDenied, RemoteError
from blinktun.net.half_open import HANDSHAKE_TIMEOUT
from blinktun.net.resolve import Resolver
from blinktun.net.tally import Tally
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.registry import PipelineMaker
from blinktun.relay.relay import Traffic
from blinktun.state.openings import Openings
from blinktun.transports.registry import find_transport
from blinktun.transports.tcp import TcpDialer
from blinktun.tunnel.blinksocks_role import BlinksocksRole
from blinktun.tunnel.effective import link_line
from blinktun.tunnel.exits import Exit
from blinktun.tunnel.mux_session import MuxSession
from blinktun.tunnel.preset_stream import PresetStream
from blinktun.tunnel.record import Record
from blinktun.tunnel.udp_flow import FlowServer
from blinktun.tunnel.udp_server import Service, UdpServer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from blinktun.address import Address
    from blinktun.config.model import BlinksocksServer
    from blinktun.transports.base import Dialer, Listener, Stream
    from blinktun.transports.kcp import KcpListener

_log = logging.getLogger("blinktun.blinksocks")

_SHARED_GRACE = 30.0
"""Seconds that a shared connection is kept beyond ``timeout``: its client should close it first."""


class BlinksocksServerRole(BlinksocksRole):
    """A blinksocks server at work.

    Args:
        config: What to serve.
        dialer: Connects to targets.
        hold: Bounds, in seconds, of the wait before a peer that failed the presets is closed.
        max_unauthenticated: How many peers may be there without the key; the oldest goes.

    Raises:
        ConfigError: the configuration cannot be used.
    """

    def __init__(
        self,
        config: BlinksocksServer,
        *,
        dialer: Dialer | None = None,
        hold: tuple[float, float] = HOLD,
        max_unauthenticated: int | None = None,
    ) -> None:
        self._config = config
        self._make_pipeline = PipelineMaker(config.server.presets, source=config.source)
        self._transport = find_transport(config.server, source=config.source)
        resolver = Resolver.shared(config.dns)
        self._access = Access(config.acl, TargetPolicy(config.targets))
        redirecting = dialer or TcpDialer(resolver)  # where to is the owner's word, not a client's
        dialer = dialer or TcpDialer(resolver, self._access.permits)
        over_kcp = config.server.transport == "kcp"
        self._exit = Exit(
            *(dialer, self._access),
            idle=config.timeout,
            datagrams=resolver if over_kcp else None,
        )
        service = Service(
            config.server.key, self._make_pipeline, resolver, self._access, config.redirect
        )
        without_form = self._make_pipeline.without_datagrams or self._make_pipeline.chains_datagrams
        self._flows = FlowServer(service) if over_kcp and not without_form else None
        takes_datagrams = not (over_kcp or self._make_pipeline.without_datagrams)
        super().__init__(config.server.address, UdpServer(service) if takes_datagrams else None)
        self._fallback = Fallback(hold, config.redirect, redirecting, idle=config.timeout)
        self._unauthenticated = UnauthenticatedPeers(
            hold,
            idle=min(config.timeout, HANDSHAKE_TIMEOUT),
            open_service=self._fallback.open_service if config.redirect else None,
            limit=max_unauthenticated,
        )
        self._openings: Openings | None = None
        self._context = PresetContext(Role.SERVER, config.server.key)
        self._failures = Tally(
            _log,
            "wrong key, preset or method from %s (%s)",
            "failed authentication",
            level=logging.WARNING,
        )
        self._unfinished = Tally(_log, "no request from %s (%s)", "sent no request")

    async def start(self) -> None:
        """Load what earlier processes remember, and listen; errors as of the base class."""
        key = self._config.server.key
        self._openings = Openings(self._config.state_dir, "blinksocks", key.encode())
        self._context = PresetContext(Role.SERVER, key, replays=self._openings)
        await super().start()

    def take(self, wire: Stream) -> None:
        """Serve a connection, from the listener or from another role of this process."""
        self._admit(wire, self._serve)

    def _take_refused(self, wire: Stream) -> None:
        """One whose peer has failed the transport's handshake already."""
        self._admit(wire, self._redirect)

    def _admit(self, wire: Stream, serve: Callable[[Stream], Coroutine[None, None, None]]) -> None:
        try:
            self._access.check_source(source_of(wire.peer))
        except AccessDenied as error:
            _log.info("%s: %s", wire.peer, error)
            wire.abort()
            return
        self._connections.add(wire, serve)

    async def _redirect(self, wire: Stream) -> None:
        peer = self._unauthenticated.track(wire)
        try:
            await self._fallback.take(peer, partial(self._unauthenticated.hand_over, peer))
        finally:
            self._unauthenticated.forget(peer)

    async def _listen(self) -> Listener:
        on_refused = self._take_refused if self._config.redirect else None
        listener = await self._transport.listen(self._config.server, self.take, on_refused)
        if self._flows:
            cast("KcpListener", listener).on_flow = self._flows.take
        return listener

    def _hopeless(self) -> Collection[Stream]:
        # A visitor whom another service answers may be in the middle of a page.
        return () if self._config.redirect else self._unauthenticated.wires()

    def _announce(self) -> None:
        transport = self._config.server.transport
        for address in self.addresses:
            _log.info("blinksocks server is running at %s://%s", transport, address)
        if self._datagrams:
            _log.info("blinksocks udp server is running at udp://%s", self.addresses[0])
        elif transport != "kcp":  # whose datagrams come in streams
            refusing = self._make_pipeline.without_datagrams[0]
            _log.info("no UDP: %s has no form for datagrams", refusing)
        _log.info("clients by %s", link_line(self._config.server))

    async def _serve(self, wire: Stream) -> None:
        peer = self._unauthenticated.track(wire)
        try:
            await (self._serve_shared(peer) if self._config.server.mux else self._serve_one(peer))
        except RemoteError as error:
            if not self._bans(peer, error):
                await self._fallback.take(peer, partial(self._unauthenticated.hand_over, peer))
        finally:
            self._unauthenticated.forget(peer)

    def _bans(self, peer: UnauthenticatedPeer, error: RemoteError) -> bool:
        """Whether a failure was one too many. Whom a redirect answers is not told by a ban."""
        is_innocent = peer.is_trusted or isinstance(error, UnfinishedError)
        if is_innocent or self._config.redirect:
            return False
        return self._access.note_failure(source_of(peer.peer))

    def _note(self, peer: UnauthenticatedPeer, error: Exception) -> None:
        is_wrong = isinstance(error, RemoteError) and not isinstance(error, UnfinishedError)
        tally = self._failures if is_wrong else self._unfinished
        tally.note(peer.peer, getattr(error, "reason", "") or str(error))

    async def stop(self, grace: float = 0.0) -> None:
        """Stop as every role; failures that were only counted so far are written."""
        if self._flows:
            self._flows.stop()
        await super().stop(grace)
        if self._openings:
            self._openings.close()
        self._failures.close()
        self._unfinished.close()

    async def _serve_one(self, peer: UnauthenticatedPeer) -> None:
        """A connection that leads to one target."""
        record = Record(peer.peer, self._total)
        record.on_unauthenticated = partial(self._note, peer)
        link = PresetStream(peer, self._make_pipeline(self._context))
        with record.ending(link):
            record.target = await link.accept()
            record.on_unauthenticated = None
            record.step("the presets have named a target")
            peer.trust()
            await self._exit.carry(link, record.target, record.traffic)

    async def _serve_shared(self, peer: UnauthenticatedPeer) -> None:
        """A connection that carries many."""
        record = Record(peer.peer, Traffic())
        record.on_unauthenticated = partial(self._note, peer)

        def on_new(stream: Stream, target: Address) -> None:
            link.authenticate()
            record.on_unauthenticated = None
            peer.trust()
            self._connections.add(stream, lambda stream: self._carry(stream, target))

        link = PresetStream(peer, self._make_pipeline.for_mux(self._context))
        with record.ending(link):
            await MuxSession(link, on_new).run(idle=self._config.timeout + _SHARED_GRACE)

    async def _carry(self, stream: Stream, target: Address) -> None:
        """One of the connections of a shared one."""
        record = Record(stream.peer, self._total)
        record.target = target
        with record.ending(stream):
            await self._exit.carry(stream, target, record.traffic)
