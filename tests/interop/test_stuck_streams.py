"""Applications that read nothing stop no other stream of their session."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness.boxes import Kcptun, Options, kcptun_client, kcptun_server
from tests.interop.harness.watch import watched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PIECE = bytes(16384)
SMALL = 8192
"""Buffer of a stuck socket: what does not fit waits in the tunnel."""
PATIENCE = 60


@asynccontextmanager
async def target() -> AsyncIterator[int]:
    """A server that sends without end (`S`), reads nothing (`N`), or sends back (`E`); its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=0)
        match await reader.readexactly(1):
            case b"S":
                while True:
                    writer.write(PIECE)
                    await writer.drain()
            case b"N":
                await asyncio.Event().wait()
            case _:
                while data := await reader.read(100):
                    writer.write(data)

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await serve(reader, writer)
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(end(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    listener.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(accept, sock=listener, limit=SMALL, backlog=2048)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def stuck(port: int, *, uploads: bool) -> socket.socket:
    """A connection whose bytes somebody does not read: we ourselves, or the target."""
    loop = asyncio.get_running_loop()
    application = socket.socket()
    application.setblocking(False)
    application.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    await loop.sock_connect(application, ("127.0.0.1", port))
    await loop.sock_sendall(application, b"N" if uploads else b"S")
    return application


def push(application: socket.socket) -> None:
    """Write as much as goes."""
    with contextlib.suppress(OSError):
        while application.send(PIECE):
            pass


def is_reset(application: socket.socket) -> bool:
    """Whether a connection was broken off."""
    return application.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"ping")
    assert await reader.readexactly(4) == b"ping"


@asynccontextmanager
async def echoing(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"E")
    yield reader, writer
    writer.close()


CASES: list[tuple[Kcptun, Kcptun, int, int, bool]] = [
    # Between two blinktun no stream has to be broken off, whatever the version and the direction.
    ("ours", "ours", 1, 1000, False),
    ("ours", "ours", 2, 1000, False),
    ("ours", "ours", 1, 300, True),
    # Where ours is the end that nobody reads, a program of Go's at the other one is served as well.
    # With version 1 stuck streams are reset; of version 2 so many fit that each may fill its first
    # window.
    ("ours", "theirs", 1, 100, False),
    ("ours", "modern", 2, 50, False),
    ("theirs", "ours", 1, 100, True),
    ("modern", "ours", 2, 50, True),
]


@pytest.mark.parametrize(("client", "server", "smuxver", "count", "uploads"), CASES)
async def test_stuck_streams_stop_no_other(
    client: Kcptun, server: Kcptun, smuxver: int, count: int, uploads: bool, tmp_path: Path
) -> None:
    options: Options = {"mode": "fast3", "crypt": "none", "smuxver": smuxver, "quiet": True}
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(target())
        far = kcptun_server(server, tmp_path, target=port, options=options)
        near = kcptun_client(client, tmp_path, server=far.port, options=options)
        await stack.enter_async_context(far)
        await stack.enter_async_context(near)
        before = await stack.enter_async_context(echoing(near.port))
        await asyncio.wait_for(echo(*before), PATIENCE)
        usages = [await stack.enter_async_context(watched(box.pid)) for box in (near, far)]
        applications = [await stuck(near.port, uploads=uploads) for _ in range(count)]
        for application in applications:
            stack.callback(application.close)
        async with asyncio.timeout(PATIENCE):
            for _ in range(20):
                if uploads:
                    for application in applications:
                        push(application)
                await echo(*before)
                async with echoing(near.port) as after:
                    await echo(*after)
        if (client, server) == ("ours", "ours"):
            assert not any(map(is_reset, applications))
            assert near.is_listening
            assert far.is_listening
            growth = [usage.growth >> 20 for usage in usages]
            print(f"{count} stuck, smux {smuxver}: {growth} MB more at client and server")
            assert max(growth) <= 64
