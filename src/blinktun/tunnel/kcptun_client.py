"""The kcptun client: TCP or UNIX connections in, streams of a KCP session out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.kcp import SessionPool
from blinktun.kcp.raw_tcp import check_rights
from blinktun.net.accept import TcpListener
from blinktun.net.dial import reset
from blinktun.net.unix import UnixListener
from blinktun.transports.kcp import PoolDialer
from blinktun.tunnel.effective import start_line
from blinktun.tunnel.fec_notice import fec_notice
from blinktun.tunnel.kcptun_udp import UdpEntrance
from blinktun.tunnel.relay_log import Relays
from blinktun.tunnel.waiting import WaitingConnections

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from blinktun import kcp
    from blinktun.config.model import KcptunClient, StreamAddress
    from blinktun.transports.base import Dialer

_log = logging.getLogger("blinktun.kcptun")


class KcptunClientRole:
    """A kcptun client at work.

    Raises:
        ConfigError: the settings cannot work.
    """

    def __init__(self, config: KcptunClient) -> None:
        self._config = config
        self._relays = Relays(quiet=config.log.quiet)
        kcp = replace(config.kcp, datagrams=config.udp is not None)
        self._pool = SessionPool(config.remoteaddr, replace(config.link, kcp=kcp))
        self._pool.on_mismatch = fec_notice(config.kcp)
        self._listener: TcpListener | UnixListener | None = None
        self._waiting = WaitingConnections(self._pool.dial, self._relay)
        self._udp = UdpEntrance(config, self._pool) if config.udp is not None else None

    @property
    def addresses(self) -> Sequence[Address]:
        """Where it listens on TCP, while it runs."""
        return self._listener.addresses if isinstance(self._listener, TcpListener) else ()

    @property
    def udp_addresses(self) -> Sequence[Address]:
        """Where it listens on UDP, while it runs."""
        return self._udp.addresses if self._udp else ()

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes from applications to streams and back so far."""
        return self._relays.traffic(self._pool.sessions())

    @property
    def dialer(self) -> Dialer:
        """Opens streams as its TCP connections get them, without such a connection."""
        return PoolDialer(self._pool)

    async def start(self) -> None:
        """Listen. Whether the server is there shows with the first connection.

        Raises:
            TransportError: the address cannot be bound, or a right or tool for ``tcp`` is missing.
        """
        if self._config.kcp.tcp:
            check_rights(self._config.remoteaddr.host)
        where = self._listen(self._config.localaddr)
        if self._udp and isinstance(self._config.localaddr, Address):
            try:
                # TCP may have got a port of the system's choice.
                port = self.addresses[0].port
                self._udp.start(Address(self._config.localaddr.host, port))
            except TransportError:
                await self.stop()
                raise
            where = f"{where}, udp: {', '.join(map(str, self._udp.addresses))}"
        _log.info("%s", start_line(self._config, where))

    async def stop(self, grace: float = 0.0) -> None:
        """Accept no more, let streams end for ``grace`` seconds, break off the rest."""
        if self._listener:
            self._listener.close()
            self._listener = None
        await self._waiting.aclose()
        if self._udp:
            await self._udp.aclose()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._relays.stop(self._pool.sessions)
                await self._pool.wait_idle()  # streams that other roles of this process have
        await self._pool.aclose()

    def _listen(self, where: StreamAddress) -> str:
        if isinstance(where, Path):
            self._listener = UnixListener(where, self._on_connection)
            return str(where)
        self._listener = TcpListener(where, self._on_connection)
        return str(self._listener)

    def _on_connection(self, connection: socket.socket) -> None:
        session = self._pool.pick()
        if session is None:
            self._waiting.add(connection)
        else:
            self._relay(session, connection)

    def _relay(self, session: kcp.Session, connection: socket.socket) -> None:
        try:
            title = f"in: {self._name(connection)} out: {session.peer}"
            key = session.open_key(self._pool.stream_class)
            self._relays.join(session, key, connection, f"{title}({key[2]})")
        except (TransportError, OSError) as error:
            _log.warning("no stream: %s", error)
            reset(connection)

    def _name(self, connection: socket.socket) -> str:
        where = self._config.localaddr
        if isinstance(where, Path):  # applications at the other end of a UNIX socket have no name
            return str(where)
        host, port, *_ = connection.getpeername()
        return str(Address(host, port))
