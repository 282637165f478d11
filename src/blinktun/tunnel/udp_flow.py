"""Datagrams over ``kcp://``, as datagrams: a flow of the session for each association.

What goes over a flow is what goes over a UDP port: through the presets, with its target. A server
that takes no flows, as older ones do, gets a stream instead (`udp_stream`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.errors import AccessDenied, LocalError, RemoteError, TransportError
from blinktun.net.limits import charge_to
from blinktun.presets.base import PresetContext, Role
from blinktun.tunnel.associations import IDLE, MAX_ASSOCIATIONS
from blinktun.tunnel.udp_limits import UdpGate
from blinktun.tunnel.udp_path import Path
from blinktun.tunnel.udp_server import Association

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from blinktun import kcp
    from blinktun.presets.pipeline import Pipeline
    from blinktun.tunnel.udp_exit import OnAnswer
    from blinktun.tunnel.udp_path import PathMaker
    from blinktun.tunnel.udp_server import Service

_log = logging.getLogger("blinktun.blinksocks")

_WAITING = 64
"""Datagrams that are kept until it is known whether the server takes flows."""


class FlowPath(Path):
    """A client's association: a flow to the server, or what is made ``otherwise``.

    Bound: 64 datagrams wait for a session, or for the server's word that it takes flows.
    """

    def __init__(
        self,
        session: Callable[[], Awaitable[kcp.Session]],
        pipeline: Pipeline,
        otherwise: PathMaker,
        on_answer: OnAnswer,
    ) -> None:
        self._session = session
        self._pipeline = pipeline
        self._otherwise = otherwise
        self._on_answer = on_answer
        self._last: Address | None = None
        self._waiting: list[tuple[Address, bytes]] = []
        self._wanted = asyncio.Event()
        self._flow: kcp.Flow | None = None
        self._stream: Path | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    def send(self, target: Address, payload: bytes) -> None:
        """Send, or lose it."""
        if self._stream:
            self._stream.send(target, payload)
            return
        if len(self._waiting) < _WAITING:
            self._waiting.append((target, payload))
        if self._flow:
            self._send(self._flow, target, payload)
        else:
            self._wanted.set()

    def close(self) -> None:
        """End the flow."""
        self._task.cancel()
        if self._flow:
            self._flow.close()
        if self._stream:
            self._stream.close()

    def _send(self, flow: kcp.Flow, target: Address, payload: bytes) -> None:
        try:
            data = self._pipeline.encode_datagram(payload, target)
            self._last = target
            flow.send_nowait(data)
        except (LocalError, TransportError, ValueError) as error:
            _log.debug("a datagram for %s is lost: %s", target, error)

    async def _run(self) -> None:
        while self._stream is None:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                session = await self._session()
                await self._exchange(session)
            except TransportError as error:
                _log.debug("no flow of datagrams: %s", error)
                self._waiting.clear()

    async def _exchange(self, session: kcp.Session) -> None:
        if _takes_none(session):
            self._use_stream()
            return
        flow = self._flow = session.open_flow()
        try:
            for target, payload in self._waiting:
                self._send(flow, target, payload)
            async for data in flow:
                self._waiting.clear()
                self._receive(data)
        finally:
            flow.close()
            self._flow = None
        if _takes_none(session):
            self._use_stream()
        else:
            self._waiting.clear()

    def _use_stream(self) -> None:
        """The server takes no flows: what waits for its word goes into a stream."""
        self._stream = self._otherwise(self._on_answer)
        waiting, self._waiting = self._waiting, []
        for target, payload in waiting:
            self._stream.send(target, payload)

    def _receive(self, data: bytes) -> None:
        try:
            named, payload = self._pipeline.decode_datagram(data)
        except RemoteError as error:
            _log.debug("a datagram of the server was refused: %s", error)
            return
        # base-auth does not say who answers: then it is whoever was asked last.
        if origin := named or self._last:
            self._on_answer(origin, payload)


def _takes_none(session: kcp.Session) -> bool:
    """Whether a living session's peer takes no flows."""
    return session.takes_datagrams is False and not session.is_closed


class FlowServer:
    """A server's flows of datagrams; each has a pipeline and a way out of its own.

    Bound: as many as a UDP port has associations. One whose client and targets are silent for a
    while is ended.
    """

    def __init__(self, service: Service, *, idle: float = IDLE) -> None:
        self._service = service
        self._idle = idle
        self._context = PresetContext(Role.SERVER, service.key)
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopped = False

    def take(self, flow: kcp.Flow) -> None:
        """Serve a flow that a client has opened, or end it."""
        if self._is_stopped or len(self._tasks) >= MAX_ASSOCIATIONS:
            flow.close()
            return
        task = asyncio.get_running_loop().create_task(self._serve(flow))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """End all of them, and take no more."""
        self._is_stopped = True
        for task in self._tasks:
            task.cancel()

    async def _serve(self, flow: kcp.Flow) -> None:
        source = Address.parse(flow.peer)
        async with flow:
            try:
                gate = UdpGate(self._service.access, source)
                pipeline = self._service.make_pipeline(self._context)
                answered = [time.monotonic()]

                def reply(data: bytes) -> None:
                    answered[0] = time.monotonic()
                    with contextlib.suppress(TransportError, ValueError):
                        flow.send_nowait(data)

                association = Association(pipeline, gate, self._service.resolver, reply)
                with contextlib.closing(association):
                    while (data := await self._receive(flow, answered)) is not None:
                        charge_to(source.host)
                        self._forward(association, data)
            except (AccessDenied, TransportError) as error:
                _log.debug("a flow of %s has ended: %s", flow.peer, error)

    async def _receive(self, flow: kcp.Flow, answered: list[float]) -> bytes | None:
        """The next datagram; None if nothing comes or goes any more."""
        while True:
            try:
                async with asyncio.timeout(self._idle):
                    return await flow.receive()
            except TimeoutError:
                if time.monotonic() - answered[0] >= self._idle:
                    return None

    @staticmethod
    def _forward(association: Association, data: bytes) -> None:
        try:
            target, payload = association.pipeline.decode_datagram(data)
        except RemoteError as error:
            _log.debug("a datagram of a flow was dropped: %s", error)
            return
        if target is not None:  # only what a server sends may leave that out
            association.forward(target, payload)
