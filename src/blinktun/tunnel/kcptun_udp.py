"""UDP through the kcptun roles: a flow of datagrams for each source of an application.

The core carries the datagrams. What is decided here is which session a source gets, where a flow
goes, and when one ends.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.kcp import DatagramClass
from blinktun.kcp.datagram_port import DatagramPort, DatagramTarget
from blinktun.net.limits import charge_to, keep_reserve, source_key
from blinktun.net.resolve import Resolver
from blinktun.net.udp import bind, routed

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from blinktun import kcp
    from blinktun.config.model import KcptunClient, KcptunServer
    from blinktun.kcp.keys import FlowKey
    from blinktun.kcp.pool import SessionPool

IDLE = 300.0
"""Seconds without a datagram after which an association ends (RFC 4787, REQ-5)."""
IDLE_DNS = 20.0
"""The same for port 53: each question has a source of its own, and one answer."""

_DNS = 53
_LOOK = 5.0
"""Seconds between looks for what is idle."""
_PATIENCE = 10.0
"""Seconds in which a server that takes datagrams has said so."""
_AT_ONCE = 5.0
"""A flow that its server ends within so many seconds was refused."""
_REFUSALS = 3
"""So many attempts in a row are refused before the next has to wait."""
_REST = 10.0
"""Seconds that it waits; twice as many each time that it is refused again."""
_LONGEST_REST = 60.0
_IN_A_ROW = 10.0
"""Seconds within which another refusal counts as the next in a row."""
_MOST = 256
"""Sources that wait for a session, or flows for the address of their target."""
_PAUSE = 60.0
"""Seconds between two warnings of one kind."""
_PORT = struct.Struct("!H")
"""The label of a flow: the port that it goes to; none: that of the target."""

_log = logging.getLogger("blinktun.kcptun")


class _Background:
    """Tasks of a role that end with it, and its warnings, each of which is said once a minute."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent_until: dict[str, float] = {}

    @property
    def is_full(self) -> bool:
        """Whether there is enough to do."""
        return len(self._tasks) >= _MOST

    def run(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def warn(self, what: str) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._silent_until.get(what, 0.0):
            self._silent_until = {what: at for what, at in self._silent_until.items() if at > now}
            self._silent_until[what] = now + _PAUSE
            _log.warning("udp: %s", what)

    async def aclose(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Refusals:
    """The flows with one label that the server has refused, and until when none is tried.

    One refusal stops nobody: a server ends a flow at once for other reasons, too, such as a moment
    without descriptors.
    """

    def __init__(self) -> None:
        self._in_a_row = 0
        self._latest = 0.0
        self._rests_until = 0.0

    def blocks(self, now: float) -> bool:
        """Whether no flow is tried now."""
        return now < self._rests_until

    def add(self, began: float, now: float) -> bool:
        """Count a flow that was tried at ``began``; returns whether the next has to wait.

        Flows that are tried together count as one.
        """
        if now >= max(self._latest, self._rests_until) + _IN_A_ROW:
            self._in_a_row = 0
        elif began <= self._latest:
            return False
        self._in_a_row += 1
        self._latest = now
        doublings = self._in_a_row - _REFUSALS
        if doublings < 0:
            return False
        self._rests_until = now + min(_REST * 2 ** min(doublings, 10), _LONGEST_REST)
        return True


class UdpEntrance:
    """The UDP ports of a kcptun client.

    Bound: as many sources as the sessions have flows, 4096 each. A source that neither sends nor
    gets anything for `IDLE` seconds is forgotten.
    """

    def __init__(self, config: KcptunClient, pool: SessionPool) -> None:
        self._config = config
        self._pool = pool
        self._ports: list[tuple[DatagramPort, float]] = []
        self._refusals: defaultdict[bytes, _Refusals] = defaultdict(_Refusals)
        self._dialling: set[tuple[DatagramPort, Address]] = set()
        self._unsure: set[kcp.Session] = set()
        self._background = _Background()

    @property
    def addresses(self) -> Sequence[Address]:
        """Where it listens."""
        return [port.address for port, _ in self._ports]

    def start(self, where: Address) -> None:
        """Listen beside ``where``, the address of TCP.

        Raises:
            TransportError: an address cannot be bound.
        """
        try:
            for number in self._config.udp or (where.port,):
                label = _PORT.pack(number) if self._config.udp else b""
                for sock in bind(Address(where.host, number)):
                    self._add(sock, label, IDLE_DNS if number == _DNS else IDLE)
        except TransportError:
            self._close_ports()
            raise
        self._background.run(self._sweep())

    async def aclose(self) -> None:
        """Close the ports, and end all flows."""
        await self._background.aclose()
        self._close_ports()

    def _add(self, sock: socket.socket, label: bytes, idle: float) -> None:
        port = DatagramPort(sock, lambda source: self._on_source(port, label, source))
        self._ports.append((port, idle))

    def _close_ports(self) -> None:
        ports, self._ports = self._ports, []
        for port, _ in ports:
            port.close()

    def _on_source(self, port: DatagramPort, label: bytes, source: Address) -> None:
        session = self._pool.pick()
        if session is not None:
            self._join(port, label, source, session)
        elif (port, source) in self._dialling:
            return  # it gets the session that is being made
        elif self._background.is_full:
            port.refuse(source)
        else:
            self._dialling.add((port, source))
            self._background.run(self._dial(port, label, source))

    async def _dial(self, port: DatagramPort, label: bytes, source: Address) -> None:
        try:
            session = await self._pool.dial()
        finally:
            self._dialling.discard((port, source))
        self._join(port, label, source, session)

    def _join(
        self, port: DatagramPort, label: bytes, source: Address, session: kcp.Session
    ) -> None:
        now = asyncio.get_running_loop().time()
        if self._refusals[label].blocks(now):
            port.refuse(source)
            return
        if session.takes_datagrams is False and not session.is_closed:
            port.refuse(source)
            self._warn_of_none(session)
            return
        told = (DatagramClass(self._config.udp_class), label)
        try:
            port.join(source, session, told, partial(self._on_end, session, label, now))
        except TransportError as error:
            self._background.warn(str(error))
            return
        if session.takes_datagrams is None and session not in self._unsure:
            self._unsure.add(session)
            self._background.run(self._await_word(session))

    async def _await_word(self, session: kcp.Session) -> None:
        """End the flows of a session whose server does not say whether it takes datagrams.

        They wait for that word, which comes with the first frames. The next datagrams of their
        sources try again.
        """
        try:
            await asyncio.sleep(_PATIENCE)
        finally:
            self._unsure.discard(session)
        if session.takes_datagrams is None:
            self._background.warn(
                f"{session.peer} has not said for {_PATIENCE:g} s whether it takes datagrams: "
                "is it reachable, and blinktun's kcptun-server with udp?"
            )
            session.end_flows("the server has not said whether it takes datagrams")

    def _on_end(self, session: kcp.Session, label: bytes, began: float) -> None:
        """A flow has ended, and not by its socket."""
        if session.silent or session.is_closed:
            return  # it had to go, but nobody has refused it
        now = asyncio.get_running_loop().time()
        if session.takes_datagrams is False:
            self._warn_of_none(session)
        elif not session.takes_datagrams or now >= began + _AT_ONCE:
            return
        elif self._refusals[label].add(began, now):
            port = f"port {_PORT.unpack(label)[0]}" if label else "its target's port"
            self._background.warn(
                f"{session.peer} refuses {port}: "
                "its udp does not name it, or it has no descriptors left"
            )

    def _warn_of_none(self, session: kcp.Session) -> None:
        self._background.warn(
            f"{session.peer} takes no datagrams: it needs blinktun's kcptun-server with udp"
        )

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            for port, idle in self._ports:
                port.end_idle(idle)


class UdpExit:
    """The UDP sockets of a kcptun server, one for each flow, which leads to the target's host.

    A socket is not connected, but it sends to its target alone, and drops what comes from
    elsewhere. An ICMP error ends no flow.

    Bound: as many as the sessions have flows, 4096 each. One on which nothing passes for `IDLE`
    seconds is closed.
    """

    def __init__(self, config: KcptunServer, target: Address) -> None:
        self._target = target
        self._allowed = frozenset(config.udp or (target.port,))
        self._targets: dict[FlowKey, tuple[DatagramTarget, float]] = {}
        self._is_swept = False
        self._is_closed = False
        self._background = _Background()

    def on_flow(self, session: kcp.Session, flow: FlowKey) -> None:
        """A client has opened a flow: give it a socket, or end it."""
        if self._is_closed:
            session.end_flow(flow)
            return
        port = self._port_of(session.flow_label(flow))
        if port not in self._allowed:
            asked = "an unreadable port" if port is None else f"port {port}"
            self._background.warn(f"{session.peer} asks for {asked}, which udp does not name")
            session.end_flow(flow)
            return
        if not self._is_swept:
            self._is_swept = True
            self._background.run(self._sweep())
        if self._target.ip:
            self._connect(session, flow, Address(self._target.host, port))
        elif self._background.is_full:
            session.end_flow(flow)
        else:
            resolving = self._background.run(self._resolve(session, flow, port))
            session.join_flow(flow, resolving.cancel)  # a later flow may have its number

    async def aclose(self) -> None:
        """End all flows, and take no more."""
        self._is_closed = True
        await self._background.aclose()
        for flow in tuple(self._targets):
            self._close(flow)

    def _port_of(self, label: bytes) -> int | None:
        if not label:
            return self._target.port
        return int(_PORT.unpack(label)[0]) if len(label) == _PORT.size else None

    async def _resolve(self, session: kcp.Session, flow: FlowKey, port: int) -> None:
        charge_to(source_key(Address.parse(session.peer).host))
        try:
            found = await Resolver.shared().resolve(self._target.host or "localhost")
        except (OSError, ValueError) as error:
            self._background.warn(f"{self._target.host}: {error}")
            session.end_flow(flow)
        else:
            self._connect(session, flow, Address(routed(found), port))

    def _connect(self, session: kcp.Session, flow: FlowKey, where: Address) -> None:
        try:
            where = _dialable(where)
            close = partial(self._close, flow)
            target = DatagramTarget(_unbound(where), where, session, flow, close)
        except TransportError as error:
            self._background.warn(str(error))
            session.end_flow(flow)
            self._close(flow)
            return
        self._targets[flow] = target, IDLE_DNS if where.port == _DNS else IDLE

    def _close(self, flow: FlowKey) -> None:
        if had := self._targets.pop(flow, None):
            target, _ = had
            target.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            for flow, (target, idle) in tuple(self._targets.items()):
                if target.is_idle(idle):
                    self._close(flow)


def _dialable(where: Address) -> Address:
    """Every address of this machine is its loopback address to one who sends, as with TCP.

    The system sends there, too, but answers come from the loopback address.
    """
    if where.ip is None or not where.ip.is_unspecified:
        return where
    return Address("::1" if ":" in where.host else "127.0.0.1", where.port)


def _unbound(where: Address) -> socket.socket:
    """A UDP socket on a port of the system's choice, of the family of an IP address.

    Raises:
        TransportError: the system has none.
    """
    try:
        family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
        made = keep_reserve(socket.socket(family, socket.SOCK_DGRAM))
        try:
            made.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))  # noqa: S104
        except BaseException:
            made.close()
            raise
    except OSError as error:
        raise TransportError(f"no UDP socket: {error.strerror}", peer=str(where)) from error
    return made
