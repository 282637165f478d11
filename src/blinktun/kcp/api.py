"""``connect`` and ``serve``."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.config.model import KcpSettings
from blinktun.errors import TransportError
from blinktun.kcp.core_config import core_config
from blinktun.kcp.driver import Driver
from blinktun.kcp.session import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from blinktun.kcp.keys import SessionKey, StreamKey
    from blinktun.kcp.stream import Stream

_log = logging.getLogger("blinktun.kcp")


async def connect(address: str | Address, settings: KcpSettings | None = None) -> Session:
    """Make a session with the server at ``address`` (``host:port``).

    Returns at once: UDP has no connection, so whether somebody answers shows when a stream is used.

    Raises:
        ConfigError: the settings cannot work.
        TransportError: the name cannot be resolved, or the system has no socket.
        ValueError: the address cannot be read.
    """
    where = Address.parse(address) if isinstance(address, str) else address
    config = core_config(settings or KcpSettings())
    host = await resolve(where)
    driver = Driver.current()
    try:
        key = driver.core.dial(host, where.port, config)
    except OSError as error:
        raise TransportError(error.strerror or str(error), peer=str(where)) from error
    return Session(driver, key, str(Address(host, where.port)))


async def resolve(address: Address) -> str:
    """The IP address of a host, IPv4 before IPv6 as the Go program has it.

    Raises:
        TransportError: the name cannot be resolved.
    """
    if address.ip is not None:
        return address.host
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(
            address.host or "localhost", address.port, type=socket.SOCK_DGRAM
        )
    except OSError as error:
        raise TransportError(f"cannot resolve: {error}", peer=str(address)) from error
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return str(found[0][4][0])


async def serve(
    handler: Callable[[Stream], Awaitable[None]],
    address: str | Address,
    settings: KcpSettings | None = None,
) -> Server:
    """Accept sessions at ``address`` and run ``handler`` for each stream.

    When the handler returns, the stream is finished; when it raises, it is broken off.

    Raises:
        ConfigError: the settings cannot work.
        TransportError: the address cannot be bound.
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
        await handler(stream)
        stream.finish()
    except TransportError as error:
        _log.debug("stream ended: %s", error)
        stream.abort()
    except BaseException:
        stream.abort()
        raise


class Server:
    """A UDP port that accepts sessions.

    Attributes:
        sessions: Those that live.
    """

    def __init__(
        self,
        address: Address,
        settings: KcpSettings,
        on_stream: Callable[[Session, StreamKey], None],
        tasks: set[asyncio.Task[None]] | None = None,
    ) -> None:
        self._driver = Driver.current()
        self._on_stream = on_stream
        self._tasks = tasks if tasks is not None else set()
        self.sessions: dict[SessionKey, Session] = {}
        self.on_new_session: Callable[[Session], None] | None = None
        self._endpoint = self._bind(address, settings)
        self._driver.sockets[self._endpoint] = self
        self._driver.wake()

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address(*self._driver.core.local_address(self._endpoint))

    async def aclose(self) -> None:
        """Stop listening; all sessions and their streams break, all handlers are cancelled."""
        self._driver.sockets.pop(self._endpoint, None)
        for session in list(self.sessions.values()):
            self._driver.sessions.pop(session.key, None)
            session.on_closed("closed here")
        self.sessions.clear()
        self._driver.core.close_endpoint(self._endpoint)
        self._driver.wake()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _bind(self, address: Address, settings: KcpSettings) -> int:
        config = core_config(settings)
        error: OSError | None = None
        for host in _listen_hosts(address.host):
            try:
                return self._driver.core.listen(host, address.port, config)
            except OSError as caught:
                error = error or caught
                if caught.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
                    break
        reason = error.strerror or str(error) if error else "no such address"
        raise TransportError(f"cannot listen on udp {address}: {reason}") from error

    # --- SocketOwner ----------------------------------------------------------------------

    def on_session(self, session: SessionKey, host: str, port: int) -> None:
        """A peer opened a session."""
        made = Session(self._driver, session, str(Address(host, port)), on_stream=self._on_stream)
        self.sessions[session] = made
        made.on_end = self._forget
        if self.on_new_session:
            self.on_new_session(made)

    def _forget(self, session: Session) -> None:
        self.sessions.pop(session.key, None)

    def on_undecryptable(self, host: str, port: int) -> None:
        """Datagrams arrive that do not decrypt."""
        _log.warning(
            "datagrams from %s do not decrypt: do key and crypt agree at both ends?",
            Address(host, port),
        )


def _listen_hosts(host: str) -> list[str]:
    """The IP addresses to try: both families for no host, as the Go program's ``:port`` means."""
    if not host:
        return ["::", "0.0.0.0"]  # noqa: S104 - what the user's configuration asks for
    with contextlib.suppress(OSError):
        return list(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, None)))
    return [host]
