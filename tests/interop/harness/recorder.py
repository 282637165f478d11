"""A path on which somebody records what a client sends, to send it again."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, cast

from tests.interop.harness.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Address = tuple[str, int]


class DatagramRecorder(asyncio.DatagramProtocol):
    """Carries datagrams between one client and a server.

    Attributes:
        recorded: What the client has sent.
    """

    def __init__(self, server: Address) -> None:
        self.port = free_port()
        self.recorded: list[bytes] = []
        self._server = server
        self._client: Address | None = None
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the socket is open."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, sender: Address) -> None:
        """asyncio: carry it."""
        assert self._transport
        if sender == self._server:
            if self._client:
                self._transport.sendto(data, self._client)
            return
        self._client = sender
        self.recorded.append(data)
        self._transport.sendto(data, self._server)

    def send_again(self) -> bytes:
        """Send all from an address of somebody else; returns what the server answers at once."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            for data in self.recorded:
                other.sendto(data, self._server)
            other.setblocking(False)
            with suppress(BlockingIOError):
                return other.recv(2000)
            return b""


@asynccontextmanager
async def recorded_datagrams(server: int) -> AsyncIterator[DatagramRecorder]:
    """A path to the port `server` from the recorder's own port."""
    recorder = DatagramRecorder(("127.0.0.1", server))
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: recorder, local_addr=("127.0.0.1", recorder.port)
    )
    try:
        yield recorder
    finally:
        transport.close()


class StreamRecorder:
    """Carries TCP connections to a server.

    Attributes:
        recorded: What the client has sent on each.
    """

    def __init__(self, server: int) -> None:
        self.port = free_port()
        self.recorded: list[bytearray] = []
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """asyncio: a client has connected."""
        record = bytearray()
        self.recorded.append(record)
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._server)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, up_writer, record))
                group.create_task(_copy(up_reader, writer, bytearray()))
        finally:
            writer.transport.abort()
            up_writer.transport.abort()

    async def send_again(self) -> list[bytes]:
        """Send each recording on a connection of its own; returns what was answered to each.

        A server may keep a connection that it refuses for a while, so the answer ends with a pause.
        """
        return [await self._send_again(bytes(record)) for record in self.recorded]

    async def _send_again(self, record: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server)
        writer.write(record)
        answer = b""
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(0.5):
                while data := await reader.read(65536):
                    answer += data
        writer.transport.abort()
        return answer


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: bytearray
) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            record += data
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.write_eof()


@asynccontextmanager
async def recorded_streams(server: int) -> AsyncIterator[StreamRecorder]:
    """A path to the port `server` from the recorder's own port."""
    recorder = StreamRecorder(server)
    listener = await asyncio.start_server(recorder.carry, "127.0.0.1", recorder.port)
    try:
        yield recorder
    finally:
        listener.close()
