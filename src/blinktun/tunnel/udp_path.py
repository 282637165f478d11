"""How the datagrams of a blinksocks client reach its server."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeAlias

from blinktun.address import Address
from blinktun.errors import LocalError, RemoteError, TransportError
from blinktun.net.udp import UdpSocket, routed
from blinktun.presets.base import PresetContext, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.config.model import ServerLink
    from blinktun.net.resolve import Resolver
    from blinktun.presets.pipeline import Pipeline
    from blinktun.presets.registry import PipelineMaker
    from blinktun.tunnel.udp_exit import OnAnswer

_log = logging.getLogger("blinktun.blinksocks")


class Path(ABC):
    """One association's way to the server and back."""

    @abstractmethod
    def send(self, target: Address, payload: bytes) -> None:
        """Send a datagram, or lose it."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""


PathMaker: TypeAlias = "Callable[[OnAnswer], Path]"
"""Makes a way whose answers go to who is given."""


class UdpPath(Path):
    """Datagrams as datagrams: to the port number of the TCP service, through the presets.

    Bound: 64 datagrams wait for the server's name to be resolved.
    """

    _MAX_WAITING = 64

    def __init__(
        self, server: Address, resolver: Resolver, pipeline: Pipeline, on_answer: OnAnswer
    ) -> None:
        self._server = server
        self._pipeline = pipeline
        self._on_answer = on_answer
        self._last: Address | None = None
        self._answers_from: Address | None = None
        self._socket: UdpSocket | None = None
        self._waiting: list[bytes] = []
        self._opening = asyncio.get_running_loop().create_task(self._open(resolver))

    def send(self, target: Address, payload: bytes) -> None:
        """Encode and send."""
        try:
            data = self._pipeline.encode_datagram(payload, target)
        except LocalError as error:
            _log.debug("a datagram for %s cannot be sent: %s", target, error)
            return
        self._last = target
        if self._socket:
            self._socket.send(data, self._server)
        elif len(self._waiting) < self._MAX_WAITING:
            self._waiting.append(data)

    def close(self) -> None:
        """Close the socket."""
        self._opening.cancel()
        if self._socket:
            self._socket.close()

    async def _open(self, resolver: Resolver) -> None:
        try:
            ip = routed(await resolver.resolve(self._server.host))
            self._server = Address(ip, self._server.port)
            self._socket = UdpSocket.unbound(ip, self._receive)
        except (OSError, ValueError, TransportError) as error:
            _log.warning("no UDP to %s: %s", self._server, error)
            return
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self._socket.send(data, self._server)

    def _may_answer(self, source: Address) -> bool:
        """Whether this may be the server, under another address of its machine.

        blinksocks answers from whichever address the system picks, which on a machine with several
        need not be the one that was asked. The first answer that opens decides.
        """
        if self._answers_from is None:
            return source.port == self._server.port
        return source == self._answers_from

    def _receive(self, data: bytes, source: Address) -> None:
        if source != self._server and not self._may_answer(source):
            return
        try:
            named, payload = self._pipeline.decode_datagram(data)
        except RemoteError as error:
            _log.debug("a datagram from %s was refused: %s", source, error)
            return
        self._answers_from = source
        # base-auth does not say who answers: then it is whoever was asked last.
        if origin := named or self._last:
            self._on_answer(origin, payload)


class RenewedPath(Path):
    """A new way every 30 s, for presets that chain datagrams.

    After one that was lost the server understands nothing of the old way. The one before is kept
    for answers that are late.
    """

    _LIFE = 30.0

    def __init__(self, make: Callable[[], Path]) -> None:
        self._make = make
        self._ways: list[Path] = []
        self._until = 0.0

    def send(self, target: Address, payload: bytes) -> None:
        """Send on the newest way."""
        now = asyncio.get_running_loop().time()
        if now >= self._until:
            self._until = now + self._LIFE
            self._ways.append(self._make())
            if len(self._ways) > 2:
                self._ways.pop(0).close()
        self._ways[-1].send(target, payload)

    def close(self) -> None:
        """Close both."""
        for way in self._ways:
            way.close()


def udp_path_maker(link: ServerLink, make_pipeline: PipelineMaker, resolver: Resolver) -> PathMaker:
    """Paths to this server."""
    context = PresetContext(Role.CLIENT, link.key)

    def make(on_answer: OnAnswer) -> Path:
        return UdpPath(link.address, resolver, make_pipeline(context), on_answer)

    if make_pipeline.chains_datagrams:
        return lambda on_answer: RenewedPath(lambda: make(on_answer))
    return make
