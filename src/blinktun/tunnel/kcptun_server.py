"""The kcptun server: streams of KCP sessions in, TCP to the target out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from blinktun import kcp
from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.kcp.core_config import core_config
from blinktun.tunnel.effective import effective_settings
from blinktun.tunnel.fec_notice import FecNotice
from blinktun.tunnel.relay_log import Relays
from blinktun.tunnel.tcp_socket import begin_dial, dial

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from blinktun.config.model import KcptunServer
    from blinktun.kcp.keys import StreamKey

_log = logging.getLogger("blinktun.kcptun")


class KcptunServerRole:
    """A kcptun server at work, on its own UDP port or on a bound socket that it is given.

    Raises:
        ConfigError: the settings cannot work.
    """

    def __init__(self, config: KcptunServer, bound: socket.socket | None = None) -> None:
        core_config(config.kcp)
        self._config = config
        self._bound = bound
        self._relays = Relays(quiet=config.log.quiet)
        self._fec_notice = FecNotice(config.kcp)
        self._dials: dict[asyncio.Task[None], tuple[kcp.Session, StreamKey]] = {}
        self._server: kcp.Server | None = None
        self._stopping = False
        self._target = str(config.target)
        # An IP address needs no name service, and so no task: the relay waits for the connection.
        self._dials_at_once = config.target.ip is not None

    @property
    def addresses(self) -> Sequence[Address]:
        """Where it listens, while it runs."""
        return (self._server.address,) if self._server else ()

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes from TCP to streams and back so far."""
        return self._relays.traffic(self._server.sessions.values() if self._server else ())

    async def start(self) -> None:
        """Listen.

        Raises:
            TransportError: the address cannot be bound, or ``tcp`` lacks a right or tool.
        """
        listen = self._config.listen
        where = self._bound or Address(listen.host, listen.first)
        self._server = kcp.Server(where, self._config.kcp, self._on_stream)
        self._server.on_new_session = self._on_session
        config = self._config
        _log.info(
            "kcptun server listening on %s %s, target tcp %s, %s",
            "udp and disguised as tcp," if config.kcp.tcp else "udp", self._server.address,
            config.target, effective_settings(config.kcp, learned="1 or 2"),
        )  # fmt: skip

    async def stop(self, grace: float = 0.0) -> None:
        """Take no new streams, let the others end for ``grace`` seconds, break off the rest."""
        self._stopping = True
        if self._server is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await asyncio.gather(*self._dials, return_exceptions=True)
                await self._relays.wait_idle()
        for task, (session, key) in self._dials.items():
            task.cancel()
            session.reset(key)
        await asyncio.gather(*self._dials, return_exceptions=True)
        await self._server.aclose()
        self._server = None

    def _on_session(self, session: kcp.Session) -> None:
        _log.info("remote address: %s", session.peer)
        session.on_mismatch = self._fec_notice

    def _on_stream(self, session: kcp.Session, key: StreamKey) -> None:
        if self._stopping:
            session.reset(key)
            return
        if self._dials_at_once:
            self._connect(session, key)
            return
        task = asyncio.get_running_loop().create_task(self._serve(session, key))
        self._dials[task] = session, key
        task.add_done_callback(self._dials.pop)

    def _connect(self, session: kcp.Session, key: StreamKey) -> None:
        try:
            target = begin_dial(self._config.target)
        except TransportError as error:
            _log.warning("target %s", error)
            session.reset(key)
            return
        self._join(session, key, target, connecting=True)

    async def _serve(self, session: kcp.Session, key: StreamKey) -> None:
        try:
            target = await dial(self._config.target)
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
