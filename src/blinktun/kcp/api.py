"""``connect`` and ``serve``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import TYPE_CHECKING, assert_never

from blinktun._core import SessionOpened, Undecryptable
from blinktun.address import Address
from blinktun.config.model import KcpSettings
from blinktun.errors import TransportError
from blinktun.kcp.core_config import core_config, core_host
from blinktun.kcp.driver import Driver
from blinktun.kcp.raw_tcp import TcpPort, dial_tcp
from blinktun.kcp.session import FLUSH, Session
from blinktun.kcp.socket_buffer import check_buffer
from blinktun.net.dial import numeric
from blinktun.net.listen import (
    bind_each,
    is_everywhere,
    listen_failure,
    listen_hosts,
    reason_of,
)
from blinktun.net.resolve import Resolver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Self

    from blinktun._core import SocketEvent
    from blinktun.kcp.flow import Flow
    from blinktun.kcp.keys import FlowKey, SessionKey, StreamKey
    from blinktun.kcp.stream import Stream
    from blinktun.state.openings import Openings

_log = logging.getLogger("blinktun.kcp")


async def connect(
    address: str | Address, settings: KcpSettings | None = None, *, attempt: int = 0
) -> Session:
    """Make a session with the server at ``address`` (``host:port``).

    Returns at once: UDP has no connection, so whether somebody answers shows when a stream is used.
    With ``tcp`` it returns when there is a TCP connection.

    Args:
        address: Where the server is.
        settings: What both ends must agree on; None: the defaults.
        attempt: Of a name with several addresses: which one, in turn.

    Raises:
        ConfigError: the settings cannot work.
        TransportError: the name cannot be resolved, or the system has no socket; with ``tcp`` also:
            nothing listens there, or a right or tool is missing.
        ValueError: the address cannot be read.
        TypeError: an argument is of another type.
    """
    where = _address(address)
    settings = KcpSettings() if settings is None else settings
    config = core_config(settings)
    hosts = await resolve(where)
    host = hosts[attempt % len(hosts)]
    driver = Driver.current()
    peer = str(Address(host, where.port))
    if settings.tcp:
        key, carrier = await dial_tcp(driver, host, where.port, config)
        return Session(driver, key, peer, carrier=carrier, alternatives=len(hosts) - 1, host=host)
    try:
        key = driver.core.dial(host, where.port, config)
    except OSError as error:
        raise TransportError(error.strerror or str(error), peer=str(where)) from error
    check_buffer(driver, key[0], settings.sockbuf)
    return Session(driver, key, peer, alternatives=len(hosts) - 1, host=host)


def _address(address: str | Address) -> Address:
    if isinstance(address, str):
        return Address.parse(address)
    if not isinstance(address, Address):
        raise TypeError(f"an address is text or an Address, not {type(address).__name__}")
    return address


async def resolve(address: Address) -> list[str]:
    """The IP addresses of a host as they are now, IPv4 before IPv6 as the Go program has it.

    Raises:
        TransportError: the name cannot be resolved.
    """
    try:
        if address.ip is not None:
            return [core_host(address.host)]
        found = await Resolver.shared().resolve(address.host or "localhost", fresh=True)
    except (OSError, ValueError) as error:  # ValueError: a name that no resolver takes
        raise TransportError(f"cannot resolve: {reason_of(error)}", peer=str(address)) from error
    return [core_host(ip) for ip in sorted(found, key=lambda ip: ":" in ip)]


async def serve(
    handler: Callable[[Stream], Awaitable[None]],
    address: str | Address | Sequence[str | Address],
    settings: KcpSettings | None = None,
    *,
    datagrams: Callable[[Flow], Awaitable[None]] | None = None,
) -> Server:
    """Accept sessions at ``address`` and run ``handler`` for each stream.

    With several addresses a client that is blinktun can go from one to another (`Session.hop`).

    When the handler returns, the stream is closed as by `Stream.aclose`; when it raises, it is
    broken off. A handler that raises anything but `TransportError` is logged as a bug.

    Args:
        handler: Run for each stream that a client opens.
        address: Where to listen; several are one server.
        settings: What both ends must agree on; None: the defaults.
        datagrams: Run for each flow of datagrams that a client opens, which is closed when it
            returns or raises; None: flows are refused.

    Raises:
        ConfigError: the settings cannot work.
        TransportError: the address cannot be bound; with ``tcp`` also: a right or tool is missing.
        ValueError: the address cannot be read.
        TypeError: an argument is of another type.
    """
    several = [address] if isinstance(address, str | Address) else address
    where = [_address(one) for one in several]
    if not callable(handler):
        raise TypeError("a handler is called with each stream")
    tasks: set[asyncio.Task[None]] = set()

    def on_stream(session: Session, key: StreamKey) -> None:
        task = asyncio.get_running_loop().create_task(_handle(handler, session.adopt(key)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def on_flow(session: Session, key: FlowKey) -> None:
        if datagrams:
            task = asyncio.get_running_loop().create_task(
                _handle_flow(datagrams, session.adopt_flow(key))
            )
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    settings = KcpSettings() if settings is None else settings
    return Server(where, settings, on_stream, tasks, on_flow=on_flow if datagrams else None)


async def _handle(handler: Callable[[Stream], Awaitable[None]], stream: Stream) -> None:
    try:
        async with stream:
            await handler(stream)
    except TransportError as error:
        _log.debug("stream ended: %s", error)
    except Exception:
        _log.exception("a stream's handler failed")


async def _handle_flow(handler: Callable[[Flow], Awaitable[None]], flow: Flow) -> None:
    try:
        async with flow:
            await handler(flow)
    except TransportError as error:
        _log.debug("flow ended: %s", error)
    except Exception:
        _log.exception("a flow's handler failed")


class Server:
    """UDP ports that accept sessions; ``async with`` ends it as `aclose` does.

    Each is an address to bind, or a bound UDP socket, which is taken over. With ``tcp`` it accepts
    disguised sessions at the same addresses as well; a bound socket goes without. A client that is
    blinktun can change from one port to another.

    Args:
        where: The address or socket, or several.
        settings: Of its sessions.
        on_stream: Gets each new stream.
        tasks: Handlers of streams, which end with it.
        openings: What earlier sessions are remembered in; None: in this process alone.
        on_flow: Gets each new flow of datagrams; None: they are refused.

    Attributes:
        sessions: Those that live.
        on_new_session: Called with each new one.
    """

    def __init__(
        self,
        where: Address | socket.socket | Sequence[Address | socket.socket],
        settings: KcpSettings,
        on_stream: Callable[[Session, StreamKey], None],
        tasks: set[asyncio.Task[None]] | None = None,
        *,
        openings: Openings | None = None,
        on_flow: Callable[[Session, FlowKey], None] | None = None,
    ) -> None:
        self._on_flow = on_flow
        self._driver = Driver.current()
        self._on_stream = on_stream
        self._tasks = tasks if tasks is not None else set()
        self.sessions: dict[SessionKey, Session] = {}
        self.on_new_session: Callable[[Session], None] | None = None
        self._closing = False
        self._udp: int | None = None
        self._tcp_ports: list[TcpPort] = []
        with contextlib.ExitStack() as undo:
            undo.callback(self._close_tcp)
            undo.callback(self._close_udp)
            several = [where] if isinstance(where, Address | socket.socket) else where
            for one in several:
                if settings.tcp and isinstance(one, Address):
                    one = self._open_tcp(one, settings)  # noqa: PLW2901 - its port is known now
                self._bind(one, settings)
            for port in self._tcp_ports:
                port.listen()
            undo.pop_all()
        self._openings = openings
        for endpoint in self._endpoints():
            self._driver.sockets[endpoint] = self
            check_buffer(self._driver, endpoint, settings.sockbuf)
            if openings:
                self._driver.core.share_openings(endpoint, openings.memory)
        if openings:
            self._driver.openings.add(openings)
        self._driver.wake()

    @property
    def address(self) -> Address:
        """Where it listens, or the first such place."""
        return self.addresses[0]

    @property
    def addresses(self) -> Sequence[Address]:
        """Where it listens on UDP."""
        if self._udp is None:
            return []
        return [Address(*where) for where in self._driver.core.local_addresses(self._udp)]

    async def aclose(self, within: float = FLUSH) -> None:
        """Take no more streams or flows, cancel the handlers, end all sessions, stop listening.

        Args:
            within: Seconds that peers get to acknowledge the end of their sessions.
        """
        self._closing = True
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(session.aclose(within) for session in self.sessions.values()))
        for endpoint in self._endpoints():
            self._driver.sockets.pop(endpoint, None)
        if self._openings:
            self._driver.openings.discard(self._openings)
        self._close_tcp()
        self._close_udp()
        self._driver.wake()
        for late in tuple(self.sessions.values()):  # opened meanwhile
            await late.closed.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _endpoints(self) -> list[int]:
        udp = [] if self._udp is None else [self._udp]
        return [*udp, *(port.endpoint for port in self._tcp_ports)]

    def _open_tcp(self, where: Address, settings: KcpSettings) -> Address:
        """Make the TCP ports; returns the address for UDP, whose port is theirs."""
        config = core_config(settings)
        try:
            hosts = _tcp_hosts(where)
        except (OSError, ValueError) as error:
            raise listen_failure("tcp", where, error) from error
        for host in hosts:
            port = TcpPort(self._driver, host, where.port, config)
            self._tcp_ports.append(port)
            where = Address(where.host, port.port)
        return where

    def _close_udp(self) -> None:
        if self._udp is not None:
            self._driver.core.close_endpoint(self._udp)
            self._udp = None

    def _close_tcp(self) -> None:
        for port in self._tcp_ports:
            port.close()

    def _bind(self, where: Address | socket.socket, settings: KcpSettings) -> None:
        """Make a UDP socket for each address of a host, all on one port.

        Raises:
            TransportError: one of them cannot be bound.
        """
        config = core_config(settings)
        core = self._driver.core
        if isinstance(where, socket.socket):
            if self._udp is None:
                self._udp = core.adopt(where.detach(), config)
            else:
                core.adopt_too(self._udp, where.detach())
            return
        made: int | None = None

        def bind(host: str) -> None:
            nonlocal made
            _check_family(host)
            port = where.port if made is None else made
            if self._udp is None:
                self._udp = core.listen(host, port, config)
            else:
                core.listen_too(self._udp, host, port)
            made = core.local_addresses(self._udp)[-1][1]

        try:
            bind_each(where, udp_hosts(where), bind)
        except (OSError, ValueError) as error:
            raise listen_failure("udp", where, error) from error

    # --- SocketOwner ----------------------------------------------------------------------

    def on_event(self, event: SocketEvent) -> None:
        """A peer opened a session, or somebody without the key sends datagrams."""
        match event:
            case SessionOpened(session, host, port):
                self._open(session, str(Address(host, port)))
            case Undecryptable(_, host, port):
                _log.warning(
                    "datagrams from %s do not decrypt: do key and crypt agree at both ends?",
                    Address(host, port),
                )
            case _:
                assert_never(event)

    def _open(self, session: SessionKey, peer: str) -> None:
        on_flow = self._accept_flow if self._on_flow else None
        made = Session(self._driver, session, peer, on_stream=self._accept, on_flow=on_flow)
        self.sessions[session] = made
        made.on_end = self._forget
        if self.on_new_session:
            self.on_new_session(made)

    def _accept(self, session: Session, stream: StreamKey) -> None:
        if self._closing:
            session.reset(stream)
        else:
            self._on_stream(session, stream)

    def _accept_flow(self, session: Session, flow: FlowKey) -> None:
        if self._closing or self._on_flow is None:
            session.end_flow(flow)
        else:
            self._on_flow(session, flow)

    def _forget(self, session: Session) -> None:
        self.sessions.pop(session.key, None)


def udp_hosts(address: Address) -> list[str]:
    """The IP addresses to bind: one socket has both families, if the system does.

    Raises:
        OSError: the host's name does not resolve.
        ValueError: the host cannot be a name.
    """
    if is_everywhere(address.host):
        return ["::"] if _has_ipv6() else ["0.0.0.0"]  # noqa: S104 - as configured
    return [core_host(host) for host in listen_hosts(address)]


def _tcp_hosts(address: Address) -> list[str]:
    """The IP addresses for TCP ports: each family of the system has its own, as raw sockets do."""
    has_ipv6 = _has_ipv6()
    return [core_host(host) for host in listen_hosts(address) if has_ipv6 or ":" not in host]


def _has_ipv6() -> bool:
    try:
        _check_family("::1")
    except OSError:
        return False
    return True


def _check_family(host: str) -> None:
    """Try an IP address on any port.

    Raises:
        OSError: this system does not have it; its number says so, which the core's errors lack.
    """
    family, where = numeric(host, 0)
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind(where)
