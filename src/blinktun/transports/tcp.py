"""TCP over asyncio, on any event loop."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import socket
import termios
import time
from typing import TYPE_CHECKING, cast

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.net.accept import TcpListener
from blinktun.net.dial import Permits, connect_socket, dial, linger_not
from blinktun.net.limits import check_reserve
from blinktun.net.resolve import Resolver
from blinktun.transports.base import Dialer, Listener, OnStream, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blinktun.effects import Chunk

_log = logging.getLogger("blinktun.transports")

_HIGH = 768 * 1024
"""Received bytes, not yet asked for, from which on reading pauses; one read more may come. Also:
sent bytes, not yet taken by the system, from which on ``send`` waits. Three full reads reach it;
with two, bulk data was a tenth slower."""
_ONE_READ = 256 * 1024
"""Bytes that one read takes at most."""
_SCARCE = 8 << 20
"""Received bytes, not yet asked for, of all connections, from which on each gets little."""
_SCARCE_HIGH = _SCARCE_READ = 16 * 1024
"""The same limits as above while memory is scarce."""
_FLUSH_TIMEOUT = 10.0
"""Seconds that ``aclose`` gives a peer to take what is still queued."""


class _Memory:
    """What the connections of the process hold together, and where all of them are read into.

    Large buffers make one connection fast. A thousand whose readers stand still would hold more
    than a gigabyte in them.

    Attributes:
        room: Where the next read goes.
        high: Received bytes of one connection from which on its reading pauses.
        held: Received bytes that no reader has taken yet.
    """

    def __init__(self) -> None:
        self.held = 0
        self._all_room = memoryview(bytearray(_ONE_READ))
        self._scarce_room = self._all_room[:_SCARCE_READ]
        self.room, self.high = self._all_room, _HIGH

    def take(self, size: int) -> bytes:
        """Copy what was just read, before the next read. It counts until `give_back`."""
        taken = bytes(self._all_room[:size])
        self._hold(size)
        return taken

    def give_back(self, size: int) -> None:
        """Somebody has asked for these bytes."""
        self._hold(-size)

    def _hold(self, more: int) -> None:
        self.held += more
        if self.held > _SCARCE:
            self.room, self.high = self._scarce_room, _SCARCE_HIGH
        else:
            self.room, self.high = self._all_room, _HIGH


_memory = _Memory()


class TcpStream(asyncio.BufferedProtocol, Stream):
    """A TCP connection.

    The event loop reads and pushes here; ``receive`` takes everything that has come, so a slow
    consumer gets few large chunks.
    """

    def __init__(self, on_stream: OnStream | None = None) -> None:
        self._on_stream = on_stream
        self._peer = ""
        self._chunks: list[bytes] = []
        self._queued = 0
        self._reading_paused = False
        self._eof = False
        self._eof_sent = False
        self._lost = False
        self._error: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._closer: asyncio.Future[None] | None = None
        self._on_broken: Callable[[], None] | None = None
        self._writing_paused = False
        self._write_high = _HIGH
        self._moved = time.monotonic()

    def __del__(self) -> None:
        """Give back what was never asked for, where nobody closed the stream."""
        self._empty()

    @property
    def peer(self) -> str:
        """The other end's address and port."""
        return self._peer

    @property
    def local(self) -> Address | None:
        """Our end's address and port."""
        name = self._transport.get_extra_info("sockname")
        return Address(*name[:2]) if isinstance(name, tuple) else None

    def watch(self, on_broken: Callable[[], None] | None) -> None:
        """Have it called when the connection is lost."""
        self._on_broken = on_broken
        if self._lost and on_broken:
            on_broken()

    @property
    def idle(self) -> float:
        """Seconds since a byte came or went, 0 while the peer's system has not taken everything."""
        if not self._lost and (self._transport.get_write_buffer_size() or self._is_unsent()):
            return 0.0
        return time.monotonic() - self._moved

    async def receive(self) -> Chunk:
        """Return all bytes that have come, at most about 768 KiB."""
        while not self._chunks:
            if self._eof:
                return b""
            if self._lost:
                raise self._ended()
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        chunk = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._empty()
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
        return chunk

    async def send(self, data: Chunk) -> None:
        """Write, and wait while more than 768 KiB are queued, or 16 KiB where memory is scarce."""
        if self._lost:
            raise self._ended()
        self._moved = time.monotonic()
        if _memory.high != self._write_high:
            self._write_high = _memory.high
            self._transport.set_write_buffer_limits(high=_memory.high)
        self._transport.write(data)
        if self._writing_paused:
            await self._writable()

    async def send_eof(self) -> None:
        """Shut our direction down behind what is queued."""
        if self._lost:
            raise self._ended()
        if not self._eof_sent:
            self._eof_sent = True
            try:
                self._transport.write_eof()
            except OSError as error:  # reset a moment ago, of which we shall be told
                raise TransportError(_reason(error), peer=self._peer) from error

    async def aclose(self) -> None:
        """Flush for at most 10 s and close; what cannot be flushed is lost with a reset."""
        if self._lost:
            return
        self._transport.close()
        self._closer = self._closer or self._loop.create_future()
        try:
            async with asyncio.timeout(_FLUSH_TIMEOUT):
                await self._closer
        except TimeoutError:
            self.abort()
        except asyncio.CancelledError:
            self.abort()
            raise

    def close(self) -> None:
        """Break off a connection that was not used."""
        self.abort()

    def abort(self) -> None:
        """Reset the connection; what has come and was not asked for is dropped."""
        self._empty()
        if self._lost:
            return
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            linger_not(sock)
        self._transport.abort()
        self.connection_lost(None)

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the socket up, and announce the stream if it was taken in."""
        self._loop = asyncio.get_running_loop()
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_HIGH)
        self._peer = _peer_text(transport.get_extra_info("peername"))
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._on_stream:
            self._on_stream(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Say where to read to."""
        del sizehint
        return _memory.room

    def buffer_updated(self, nbytes: int) -> None:
        """Queue what was read."""
        self._moved = time.monotonic()
        self._chunks.append(_memory.take(nbytes))
        self._queued += nbytes
        if self._queued >= _memory.high and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        """Note the end, and keep our direction open."""
        self._eof = True
        _wake(self._reader)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Note how it ended; ``abort`` gets here first."""
        self._lost = True
        self._error = self._error or exc
        _wake(self._reader)
        _wake(self._writer)
        _wake(self._closer)
        if self._on_broken:
            self._on_broken()

    def pause_writing(self) -> None:
        """Make ``send`` wait."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """Let ``send`` go on."""
        self._writing_paused = False
        _wake(self._writer)

    def _empty(self) -> None:
        if self._queued:
            self._chunks.clear()
            _memory.give_back(self._queued)
            self._queued = 0

    def _is_unsent(self) -> bool:
        """Whether the kernel still has bytes that the peer's system has not taken."""
        sock = self._transport.get_extra_info("socket")
        try:
            return any(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))
        except OSError:
            return False

    async def _writable(self) -> None:
        self._writer = self._loop.create_future()
        try:
            await self._writer
        finally:
            self._writer = None
        if self._lost:
            raise self._ended()

    def _ended(self) -> TransportError:
        reason = _reason(self._error) if self._error else "the connection is closed"
        error = TransportError(reason, peer=self._peer)
        error.__cause__ = self._error
        return error


class TcpDialer(Dialer):
    """Connects to names and addresses, trying every address of a name.

    Args:
        resolver: Finds the addresses; None: as the system does it.
        permits: Asked before each is tried; with none left, ``connect`` raises ``AccessDenied``.
    """

    def __init__(self, resolver: Resolver | None = None, permits: Permits | None = None) -> None:
        self._resolver = resolver or Resolver.shared()
        self._permits = permits

    async def connect(self, address: Address) -> TcpStream:
        """Connect within 10 s."""
        return await dial(address, self._resolver, _connect, self._permits)


class StreamListener(Listener):
    """Makes a stream of each TCP connection that is accepted.

    Raises:
        TransportError: the address cannot be bound.
    """

    def __init__(self, address: Address, on_stream: OnStream) -> None:
        self._on_stream = on_stream
        self._making: set[asyncio.Task[None]] = set()
        self._listener = TcpListener(address, self._accepted)
        self._addresses = self._listener.addresses

    @property
    def addresses(self) -> Sequence[Address]:
        """Every bound address."""
        return self._addresses

    async def aclose(self) -> None:
        """Stop listening; what has been accepted is still handed over."""
        self._listener.close()
        # This waits for no peer. A cancelled task would close a stream that has an owner already.
        await asyncio.gather(*self._making, return_exceptions=True)

    def _accepted(self, connection: socket.socket) -> None:
        task = asyncio.get_running_loop().create_task(self._make(connection))
        self._making.add(task)
        task.add_done_callback(self._making.discard)

    async def _make(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        try:
            await loop.connect_accepted_socket(lambda: TcpStream(self._on_stream), connection)
        except OSError as error:  # it has ended already
            _log.debug("a connection ended before it was served: %s", error)
            connection.close()


async def listen(address: Address, on_stream: OnStream) -> StreamListener:
    """Listen; an empty host means every local address.

    Raises:
        TransportError: the address cannot be bound.
    """
    return StreamListener(address, on_stream)


async def _connect(ip: str, port: int) -> TcpStream:
    loop = asyncio.get_running_loop()
    if "%" not in ip:
        check_reserve()
        making = loop.create_connection(TcpStream, ip, port, flags=socket.AI_NUMERICHOST)
        return (await making)[1]
    connected = await connect_socket(ip, port)  # uvloop would leave the scope out
    try:
        return (await loop.create_connection(TcpStream, sock=connected))[1]
    except BaseException:
        connected.close()
        raise


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _reason(error: Exception) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return (strerror or str(error) or type(error).__name__).lower()


def _peer_text(peername: object) -> str:
    return str(Address(*peername[:2])) if isinstance(peername, tuple) else ""
