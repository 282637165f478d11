"""``connect`` and ``serve``."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from typing import TYPE_CHECKING, TypeVar

from blinktun.address import Address
from blinktun.config.model import KcpSettings
from blinktun.errors import TransportError
from blinktun.kcp.core_config import core_config
from blinktun.kcp.driver import Driver
from blinktun.kcp.raw_tcp import TcpPort, dial_tcp
from blinktun.kcp.session import FLUSH, Session
from blinktun.kcp.socket_buffer import check_buffer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Self

    from blinktun.kcp.keys import SessionKey, StreamKey
    from blinktun.kcp.stream import Stream

_log = logging.getLogger("blinktun.kcp")

_Bound = TypeVar("_Bound")


async def connect(address: str | Address, settings: KcpSettings | None = None) -> Session:
    """Make a session with the server at ``address`` (``host:port``).

    Returns at once: UDP has no connection, so whether somebody answers shows when a stream is used.
    With ``tcp`` it returns when there is a TCP connection.

    Raises:
        ConfigError: the settings cannot work.
        TransportError: the name cannot be resolved, or the system has no socket; with ``tcp`` also:
            nobody listens there, or a right or tool lacks.
        ValueError: the address cannot be read.
    """
    where = Address.parse(address) if isinstance(address, str) else address
    config = core_config(settings or KcpSettings())
    host = await resolve(where)
    driver = Driver.current()
    peer = str(Address(host, where.port))
    if settings and settings.tcp:
        key, carrier = await dial_tcp(driver, host, where.port, config)
        return Session(driver, key, peer, carrier=carrier)
    try:
        key = driver.core.dial(host, where.port, config)
    except OSError as error:
        raise TransportError(error.strerror or str(error), peer=str(where)) from error
    check_buffer(driver, key[0], (settings or KcpSettings()).sockbuf)
    return Session(driver, key, peer)


async def resolve(address: Address) -> str:
    """The IP address of a host, IPv4 before IPv6 as the Go program has it.

    Raises:
        TransportError: the name cannot be resolved.
    """
    if address.ip is not None and "%" not in address.host:
        return address.host
    loop = asyncio.get_running_loop()
    host, port = address.host or "localhost", address.port
    try:
        if address.ip is not None:  # the number of its scope; uvloop's resolver would forget that
            found = socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)
        else:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, ValueError) as error:  # ValueError: a name that no resolver takes
        raise TransportError(f"cannot resolve: {error}", peer=str(address)) from error
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return _ip_text(found[0][4])


async def serve(
    handler: Callable[[Stream], Awaitable[None]],
    address: str | Address,
    settings: KcpSettings | None = None,
) -> Server:
    """Accept sessions at ``address`` and run ``handler`` for each stream.

    When the handler returns, the stream is closed as by `Stream.aclose`; when it raises, it is
    broken off. A handler that raises anything but `TransportError` is logged as a bug.

    Raises:
        ConfigError: the settings cannot work.
        TransportError: the address cannot be bound; with ``tcp`` also: a right or tool lacks.
        ValueError: the address cannot be read.
    """
    where = Address.parse(address) if isinstance(address, str) else address
    tasks: set[asyncio.Task[None]] = set()

    def on_stream(session: Session, key: StreamKey) -> None:
        task = asyncio.get_running_loop().create_task(_handle(handler, session.adopt(key)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return Server(where, settings or KcpSettings(), on_stream, tasks)


async def _handle(handler: Callable[[Stream], Awaitable[None]], stream: Stream) -> None:
    try:
        async with stream:
            await handler(stream)
    except TransportError as error:
        _log.debug("stream ended: %s", error)
    except Exception:
        _log.exception("a stream's handler failed")


class Server:
    """A UDP port that accepts sessions; ``async with`` ends it as `aclose` does.

    It is an address to bind, or a bound UDP socket, which is taken over. With ``tcp`` it accepts
    disguised sessions at the same address as well; a bound socket goes without.

    Attributes:
        sessions: Those that live.
        on_new_session: Called with each new one.
    """

    def __init__(
        self,
        where: Address | socket.socket,
        settings: KcpSettings,
        on_stream: Callable[[Session, StreamKey], None],
        tasks: set[asyncio.Task[None]] | None = None,
    ) -> None:
        self._driver = Driver.current()
        self._on_stream = on_stream
        self._tasks = tasks if tasks is not None else set()
        self.sessions: dict[SessionKey, Session] = {}
        self.on_new_session: Callable[[Session], None] | None = None
        self._closing = False
        self._tcp_ports: list[TcpPort] = []
        with contextlib.ExitStack() as undo:
            undo.callback(self._close_tcp)
            if settings.tcp and isinstance(where, Address):
                where = self._open_tcp(where, settings)
            self._endpoint = self._bind(where, settings)
            undo.callback(self._driver.core.close_endpoint, self._endpoint)
            for port in self._tcp_ports:
                port.listen()
            undo.pop_all()
        for endpoint in self._endpoints():
            self._driver.sockets[endpoint] = self
            check_buffer(self._driver, endpoint, settings.sockbuf)
        self._driver.wake()

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address(*self._driver.core.local_address(self._endpoint))

    async def aclose(self, within: float = FLUSH) -> None:
        """Take no more streams, cancel the handlers, end all sessions, and stop listening.

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
        self._close_tcp()
        self._driver.core.close_endpoint(self._endpoint)
        self._driver.wake()
        for late in tuple(self.sessions.values()):  # opened meanwhile
            await late.closed.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _endpoints(self) -> list[int]:
        return [self._endpoint, *(port.endpoint for port in self._tcp_ports)]

    def _open_tcp(self, where: Address, settings: KcpSettings) -> Address:
        """Make the TCP ports; returns the address for UDP, whose port is theirs."""
        config = core_config(settings)
        for host in _tcp_hosts(where):
            port = TcpPort(self._driver, host, where.port, config)
            self._tcp_ports.append(port)
            where = Address(where.host, port.port)
        return where

    def _close_tcp(self) -> None:
        for port in self._tcp_ports:
            port.close()

    def _bind(self, where: Address | socket.socket, settings: KcpSettings) -> int:
        config = core_config(settings)
        if isinstance(where, socket.socket):
            return self._driver.core.adopt(where.detach(), config)
        return bind_first(where, lambda host: self._driver.core.listen(host, where.port, config))

    # --- SocketOwner ----------------------------------------------------------------------

    def on_session(self, session: SessionKey, host: str, port: int) -> None:
        """A peer opened a session."""
        made = Session(self._driver, session, str(Address(host, port)), on_stream=self._accept)
        self.sessions[session] = made
        made.on_end = self._forget
        if self.on_new_session:
            self.on_new_session(made)

    def _accept(self, session: Session, stream: StreamKey) -> None:
        if self._closing:
            session.reset(stream)
        else:
            self._on_stream(session, stream)

    def _forget(self, session: Session) -> None:
        self.sessions.pop(session.key, None)

    def on_undecryptable(self, host: str, port: int) -> None:
        """Datagrams arrive that do not decrypt."""
        _log.warning(
            "datagrams from %s do not decrypt: do key and crypt agree at both ends?",
            Address(host, port),
        )


def bind_first(address: Address, bind: Callable[[str], _Bound]) -> _Bound:
    """What ``bind`` makes of the first IP address of a host that this system can have.

    Args:
        address: Where to listen on UDP.
        bind: Gets an IP address; raises ``OSError`` if it cannot be bound.

    Raises:
        TransportError: the name cannot be resolved, or no address can be bound.
    """
    error: OSError | None = None
    for host in listen_hosts(address):
        try:
            return bind(host)
        except OSError as caught:
            error = error or caught
            if caught.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
                break
    reason = error.strerror or str(error) if error else "no such address"
    raise TransportError(f"cannot listen on udp {address}: {reason}") from error


def listen_hosts(address: Address) -> list[str]:
    """The IP addresses to try: both families for no host, as the Go program's ``:port`` means.

    Raises:
        TransportError: the host's name cannot be resolved.
    """
    if not address.host:
        return ["::", "0.0.0.0"]  # noqa: S104 - what the user's configuration asks for
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    except (OSError, ValueError) as error:
        raise TransportError(f"cannot listen on udp {address}: {error}") from error
    return [_ip_text(entry[4]) for entry in found]


def _tcp_hosts(address: Address) -> list[str]:
    """The IP addresses for TCP ports: each family of the system has its own, as raw sockets do."""
    hosts = listen_hosts(address)
    if address.host not in {"", "::"}:
        return hosts[:1]
    return ["0.0.0.0", "::"] if _has_ipv6() else ["0.0.0.0"]  # noqa: S104 - as configured


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _ip_text(name: tuple[object, ...]) -> str:
    """The IP address of a socket name, as the core reads it: with the scope's number, if any."""
    host, _port, _flow, scope = (*name, 0, 0)[:4]
    ip = str(host).partition("%")[0]
    return f"{ip}%{scope}" if scope else ip
