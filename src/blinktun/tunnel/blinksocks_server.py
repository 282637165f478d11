"""The blinksocks server: presets over a transport in, TCP to targets out."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING

from blinktun.errors import RemoteError, TransportError
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.registry import PipelineMaker
from blinktun.transports.registry import find_transport
from blinktun.transports.tcp import TcpDialer
from blinktun.tunnel.connections import Connections
from blinktun.tunnel.preset_stream import PresetStream
from blinktun.tunnel.relay import Traffic, relay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.address import Address
    from blinktun.config.model import BlinksocksServer
    from blinktun.transports.base import Dialer, Listener, Stream

_log = logging.getLogger("blinktun.blinksocks")

_HOLD = (5.0, 30.0)
"""Seconds that a peer which failed the presets is kept waiting, drawn anew for each."""
_MAX_DISCARDED = 1 << 20
"""Bytes that such a peer may send meanwhile; then reading stops."""


class BlinksocksServerRole:
    """A blinksocks server at work.

    Args:
        config: What to serve.
        dialer: Connects to targets.
        hold: Bounds, in seconds, of the wait before a peer that failed the presets is closed.

    Raises:
        ConfigError: the configuration cannot be used.
    """

    def __init__(
        self,
        config: BlinksocksServer,
        *,
        dialer: Dialer | None = None,
        hold: tuple[float, float] = _HOLD,
    ) -> None:
        self._config = config
        self._make_pipeline = PipelineMaker(config.server.presets, source=config.source)
        self._transport = find_transport(config.server, source=config.source)
        self._dialer = dialer or TcpDialer()
        self._hold = hold
        self._context = PresetContext(Role.SERVER, config.server.key)
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
        """
        link = self._config.server
        self._listener = await self._transport.listen(
            link, lambda wire: self._connections.add(wire, self._serve)
        )
        for address in self.addresses:
            _log.info("blinksocks server is running at %s://%s", link.transport, address)

    async def stop(self, grace: float = 0.0) -> None:
        """Stop listening, let connections end for ``grace`` seconds, reset the rest."""
        if self._listener:
            await self._listener.aclose()
            self._listener = None
        await self._connections.stop(grace)

    async def _serve(self, wire: Stream) -> None:
        connection = _Connection(
            PresetStream(wire, self._make_pipeline(self._context)), Traffic(self._total)
        )
        try:
            ended = await self._run(connection)
        except TransportError as error:
            connection.abort()
            ended = str(error)
        except RemoteError as error:
            connection.abort_target()
            connection.log_end(f"refused by the presets: {error}")
            await self._keep_waiting(wire)
            return
        except BaseException as error:
            connection.abort()
            connection.log_end("stopped" if isinstance(error, asyncio.CancelledError) else "failed")
            raise
        connection.log_end(ended)

    async def _run(self, connection: _Connection) -> str:
        """Take a connection from its first byte to its end, and return how it ended."""
        link, idle = connection.link, self._config.timeout
        try:
            async with asyncio.timeout(idle):
                connection.address = await link.accept()
        except TimeoutError:
            raise TransportError(f"no I/O on the connection for {idle:g} s") from None
        connection.target = await self._dialer.connect(connection.address)
        await relay(link, connection.target, idle=idle, traffic=connection.traffic)
        await asyncio.gather(link.aclose(), connection.target.aclose())
        return "closed"

    async def _keep_waiting(self, wire: Stream) -> None:
        """Close a peer that failed the presets, but not at once and without a word.

        An immediate close would tell a prober which byte was wrong.
        """
        try:
            # Not a secret: it only has to differ from time to time.
            async with asyncio.timeout(random.uniform(*self._hold)):  # noqa: S311
                discarded = 0
                while discarded < _MAX_DISCARDED:
                    data = await wire.receive()
                    if not data:
                        break
                    discarded += len(data)
                await asyncio.Event().wait()
        except (TimeoutError, TransportError):
            pass
        finally:
            wire.abort()  # not a clean end: the application behind an honest client must know


class _Connection:
    """One client's connection, and what has been found out about it."""

    def __init__(self, link: PresetStream, traffic: Traffic) -> None:
        self.link = link
        self.traffic = traffic
        self.address: Address | None = None
        self.target: Stream | None = None
        self._started = time.monotonic()

    def abort(self) -> None:
        """End everything with an error."""
        self.link.abort()
        self.abort_target()

    def abort_target(self) -> None:
        """End the target's side with an error."""
        if self.target:
            self.target.abort()

    def log_end(self, how: str) -> None:
        """Write the connection's line."""
        _log.info(
            "%s -> %s: %d bytes up, %d bytes down, %.2f s, %s",
            self.link.peer,
            self.address or "?",
            self.traffic.up,
            self.traffic.down,
            time.monotonic() - self._started,
            how,
        )
