"""The kcptun server: streams of KCP sessions in, TCP or UNIX connections to the target out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from blinktun import kcp
from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.kcp.core_config import core_config
from blinktun.kcp.session import wait_idle
from blinktun.net.dial import begin_dial, connect_socket, dial
from blinktun.net.limits import charge_to, dial_budget, source_key
from blinktun.net.resolve import Resolver
from blinktun.net.unix import dial_unix
from blinktun.state.openings import Openings
from blinktun.transports.kcp import KcpStream
from blinktun.tunnel.effective import start_line
from blinktun.tunnel.fec_notice import fec_notice
from blinktun.tunnel.kcptun_udp import UdpExit
from blinktun.tunnel.relay_log import Relays

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from blinktun.config.model import KcptunServer, StreamAddress
    from blinktun.kcp.keys import FlowKey, StreamKey
    from blinktun.transports.base import OnStream

_log = logging.getLogger("blinktun.kcptun")


class KcptunServerRole:
    """A kcptun server at work, on its own UDP ports or on bound sockets that it is given.

    Every port has a socket of its own; a client can change from one to another.

    Args:
        config: What to serve.
        bound: Sockets in place of the configuration's ports.
        deliver: Gets every stream in place of a connection to the target.

    Raises:
        ConfigError: the settings cannot work.
    """

    def __init__(
        self,
        config: KcptunServer,
        bound: Sequence[socket.socket] = (),
        *,
        deliver: OnStream | None = None,
    ) -> None:
        core_config(config.kcp)
        self._config = config
        # What another worker gets, this one does not know.
        follows = config.workers == 1
        self._kcp = replace(config.kcp, datagrams=config.udp is not None, follows=follows)
        self._bound = bound
        self._deliver = deliver
        self._relays = Relays(quiet=config.log.quiet)
        self._fec_notice = fec_notice(config.kcp)
        self._dials: dict[asyncio.Task[None], tuple[kcp.Session, StreamKey]] = {}
        self._budget = dial_budget()
        self._server: kcp.Server | None = None
        self._stopping = False
        self._openings: Openings | None = None
        self._target = str(config.target)
        target = config.target
        self._udp: UdpExit | None = None
        if config.udp is not None and isinstance(target, Address):
            self._udp = UdpExit(config, target)
        # An IP address needs no name service, and so no task: the relay waits for the connection.
        self._target_ip = target if isinstance(target, Address) and target.ip else None

    @property
    def addresses(self) -> Sequence[Address]:
        """Where it listens, while it runs."""
        return tuple(self._server.addresses) if self._server else ()

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes from targets to streams and back so far."""
        return self._relays.traffic(self._sessions())

    async def start(self) -> None:
        """Listen.

        Raises:
            TransportError: the address cannot be bound, or a right or tool for ``tcp`` is missing.
        """
        key = f"{self._config.kcp.crypt}\0{self._config.kcp.key}"
        self._openings = Openings(self._config.state_dir, "kcptun", key.encode())
        try:
            self._server = self._listen(self._bound or self._config.listen.addresses)
        except TransportError:
            await self._close()
            raise
        several = len(self._bound or self._config.listen.addresses) > 1
        listens = self._config.listen if several else " and ".join(map(str, self.addresses))
        _log.info("%s", start_line(self._config, listens))

    async def stop(self, grace: float = 0.0) -> None:
        """Take no new streams or flows, give the streams ``grace`` seconds, break off the rest."""
        self._stopping = True
        if not self._server:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await asyncio.gather(*self._dials, return_exceptions=True)
                await self._relays.stop(self._sessions)
                await wait_idle(self._sessions)  # streams that other roles of this process have
        for task, (session, key) in self._dials.items():
            task.cancel()
            session.reset(key)
        await asyncio.gather(*self._dials, return_exceptions=True)
        if self._udp:
            await self._udp.aclose()
        await self._close()

    def _sessions(self) -> list[kcp.Session]:
        return list(self._server.sessions.values()) if self._server else []

    def _listen(self, where: Sequence[Address | socket.socket]) -> kcp.Server:
        on_flow = self._on_flow if self._udp else None
        server = kcp.Server(
            where, self._kcp, self._on_stream, openings=self._openings, on_flow=on_flow
        )
        server.on_new_session = self._on_session
        return server

    async def _close(self) -> None:
        if self._server:
            await self._server.aclose()
            self._server = None
        if self._openings:
            self._openings.close()

    def _on_session(self, session: kcp.Session) -> None:
        _log.info("remote address: %s", session.peer)
        session.on_mismatch = self._fec_notice

    def _on_stream(self, session: kcp.Session, key: StreamKey) -> None:
        if self._stopping:
            session.reset(key)
            return
        if self._deliver:
            self._deliver(KcpStream(session.adopt(key)))
            return
        if self._target_ip:
            self._connect(session, key, self._target_ip)
            return
        task = asyncio.get_running_loop().create_task(self._serve(session, key))
        self._dials[task] = session, key
        session.watch(key, task.cancel)  # a target that nobody wants any more is not dialled
        task.add_done_callback(self._dials.pop)

    def _on_flow(self, session: kcp.Session, flow: FlowKey) -> None:
        if self._stopping or self._udp is None:
            session.end_flow(flow)
        else:
            self._udp.on_flow(session, flow)

    def _connect(self, session: kcp.Session, key: StreamKey, address: Address) -> None:
        try:
            target = begin_dial(address)
        except TransportError as error:
            _log.warning("target %s", error)
            session.reset(key)
            return
        self._join(session, key, target, connecting=True)

    async def _serve(self, session: kcp.Session, key: StreamKey) -> None:
        source = source_key(Address.parse(session.peer).host)
        charge_to(source)
        try:
            with self._budget.hold(source):
                target = await _dial(self._config.target)
        except TransportError as error:
            _log.warning("target %s", error)
            session.reset(key)
            return
        except BaseException:
            session.reset(key)
            raise
        self._join(session, key, target)

    def _join(
        self,
        session: kcp.Session,
        key: StreamKey,
        target: socket.socket,
        *,
        connecting: bool = False,
    ) -> None:
        title = f"in: {session.peer}({key[2]}) out: {self._target}"
        try:
            self._relays.join(session, key, target, title, connecting=connecting)
        except TransportError as error:
            # The client gave up while we were dialling.
            _log.debug("stream gone: %s", error)


async def _dial(target: StreamAddress) -> socket.socket:
    if isinstance(target, Address):
        return await dial(target, Resolver.shared(), connect_socket)
    return await dial_unix(target)
