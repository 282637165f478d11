"""UDP sockets that are joined with flows: the core alone carries their datagrams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.kcp.core_config import core_host
from blinktun.kcp.driver import Driver

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from blinktun._core import DatagramClass, PortEvent
    from blinktun.kcp.keys import FlowKey
    from blinktun.kcp.session import Session


class DatagramPort:
    """The bound UDP socket of applications: each source can get a flow of its own.

    What a source sends before it has one waits for 5 seconds, up to 8 datagrams. Then it is
    forgotten, and ``on_source`` gets it again with its next datagram.

    Attributes:
        address: Where it is bound.

    Args:
        sock: Taken over.
        on_source: Gets each source that has no flow: answer with `join` or `refuse`.
    """

    def __init__(self, sock: socket.socket, on_source: Callable[[Address], object]) -> None:
        self._driver = Driver.current()
        self._on_source = on_source
        self._flows: dict[FlowKey, Session] = {}
        self.address = Address(*sock.getsockname()[:2])
        self._id = self._driver.core.add_datagram_port(sock.detach())
        self._driver.ports[self._id] = self
        self._driver.wake()

    def join(
        self,
        source: Address,
        session: Session,
        told: tuple[DatagramClass, bytes],
        on_end: Callable[[], object],
    ) -> None:
        """Give a source a flow with a class and a label; ``on_end`` is told if the peer ends it.

        A source that has one already, or has been forgotten, gets none.

        Raises:
            TransportError: the session is over, or opens no more flows. The source is refused.
        """
        core = self._driver.core
        try:
            flow = session.open_flow_key(*told)
        except TransportError:
            self.refuse(source)
            raise
        try:
            is_joined = core.join_source(self._id, source.host, source.port, flow)
        except OSError as error:  # the port is closed, or the session has just ended
            session.end_flow(flow)
            self.refuse(source)
            raise TransportError(str(error), peer=session.peer) from error
        if not is_joined:
            session.end_flow(flow)
            return

        def ended() -> None:
            self._flows.pop(flow, None)
            on_end()

        self._flows[flow] = session
        session.join_flow(flow, ended)
        self._driver.wake()

    @property
    def is_closed(self) -> bool:
        """Whether the socket is closed."""
        return self._id not in self._driver.ports

    def refuse(self, source: Address) -> None:
        """Drop what a source without a flow has sent."""
        if not self.is_closed:
            self._driver.core.refuse_source(self._id, source.host, source.port)

    def end_idle(self, idle: float) -> None:
        """End the flows on which nothing has passed for ``idle`` seconds."""
        if self.is_closed:
            return
        for flow in self._driver.core.end_idle_flows(self._id, idle):
            if session := self._flows.pop(flow, None):
                session.end_flow(flow)

    def close(self) -> None:
        """Close the socket, and end its flows."""
        if self._driver.ports.pop(self._id, None):
            self._driver.core.close_datagram_port(self._id)
            self._driver.wake()
            self.on_closed()

    # --- PortOwner ------------------------------------------------------------------------

    def on_event(self, event: PortEvent) -> None:
        """A source that has no flow sends datagrams."""
        self._on_source(Address(event.host, event.port))

    def on_closed(self) -> None:
        """The socket is closed: its flows have no use any more."""
        flows, self._flows = self._flows, {}
        for flow, session in flows.items():
            session.end_flow(flow)


class DatagramTarget:
    """A UDP socket for one target, and the flow of a peer that it has.

    Args:
        sock: A bound one of the target's family; taken over.
        target: An IP address and a port.
        session: That of the flow.
        flow: What it is joined with.
        on_end: Told if the peer ends the flow.

    Raises:
        TransportError: the flow is over or has a socket already, or the target has no such scope.
    """

    def __init__(
        self,
        sock: socket.socket,
        target: Address,
        session: Session,
        flow: FlowKey,
        on_end: Callable[[], object],
    ) -> None:
        self._driver = Driver.current()
        self._session, self._flow = session, flow
        try:
            host = core_host(target.host)
            self._id = self._driver.core.join_target(flow, host, target.port, sock.detach())
        except OSError as error:
            sock.close()
            raise TransportError(str(error), peer=session.peer) from error
        self._driver.ports[self._id] = self
        session.join_flow(flow, on_end)
        self._driver.wake()

    def is_idle(self, idle: float) -> bool:
        """Whether nothing has passed for ``idle`` seconds: then the flow is ended."""
        if self._id not in self._driver.ports:
            return False
        return bool(self._driver.core.end_idle_flows(self._id, idle))

    def close(self) -> None:
        """Close the socket, and end the flow."""
        if self._driver.ports.pop(self._id, None):
            self._driver.core.close_datagram_port(self._id)
            self._driver.wake()
            self.on_closed()

    # --- PortOwner ------------------------------------------------------------------------

    def on_event(self, event: PortEvent) -> None:
        """Nothing: the socket takes datagrams of its target alone."""

    def on_closed(self) -> None:
        """The socket is closed: the flow has no use any more."""
        self._session.end_flow(self._flow)
