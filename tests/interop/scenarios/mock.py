"""The target of the original suite: 2048 bytes in answer to anything, over HTTP and UDP."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.interop.harness.ports import free_port

from blinktun.address import Address
from blinktun.net.udp import UdpSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ANSWER = b"01234567" * 256
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(ANSWER)


@asynccontextmanager
async def mock() -> AsyncIterator[int]:
    """A running target; yields its port, one for both protocols."""
    port = free_port()
    sockets: list[UdpSocket] = []
    sockets += UdpSocket.listen(
        Address("127.0.0.1", port), lambda _, source: sockets[0].send(ANSWER, source)
    )
    server = await asyncio.start_server(_serve, "127.0.0.1", port, backlog=1024)
    try:
        yield port
    finally:
        server.close()
        sockets[0].close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_HEAD + ANSWER)
        await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
