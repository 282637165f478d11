"""The application at the near end: transfers that check every byte."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.interop.harness.pattern import Checker, pattern
from tests.interop.harness.processes import output_of
from tests.interop.harness.target import CHUNK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.interop.harness.target import Target

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Connection]]
"""Opens one connection to the target, through whatever stands between."""


def direct(port: int) -> Connect:
    """Connect to a port whose target is fixed (a kcptun client)."""

    async def connect() -> Connection:
        return await asyncio.open_connection("127.0.0.1", port, limit=2 * CHUNK)

    return connect


def socks5(proxy: int, target: int, host: str = "127.0.0.1") -> Connect:
    """Connect through a SOCKS5 proxy at a port, the host sent as a name."""
    return through_socks5(direct(proxy), target, host)


def through_socks5(connect_to_proxy: Connect, target: int, host: str) -> Connect:
    """Connect through a SOCKS5 proxy, the host sent as a name."""

    async def connect() -> Connection:
        reader, writer = await connect_to_proxy()
        name = host.encode()
        try:
            writer.write(b"\x05\x01\x00")
            assert await reader.readexactly(2) == b"\x05\x00"
            request = b"\x05\x01\x00\x03" + bytes([len(name)]) + name
            writer.write(request + target.to_bytes(2, "big"))
            assert (await reader.readexactly(10))[:2] == b"\x05\x00"
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer

    return connect


def once_accepted(connect: Connect, target: Target) -> Connect:
    """Connect, and wait until the target has as many connections more as were begun here."""
    before, begun = target.accepted, 0

    async def connect_and_wait() -> Connection:
        nonlocal begun
        begun += 1
        connection = await connect()
        try:
            while target.accepted < before + begun:
                await asyncio.sleep(0.01)
        except BaseException:
            connection[1].transport.abort()
            raise
        return connection

    return connect_and_wait


async def echo(connect: Connect, size: int, start: int = 0, within: float = 60.0) -> None:
    """Send `size` bytes of the pattern and check that they come back."""
    async with asyncio.timeout(within), _request(connect, f"ECHO {size}") as (reader, writer):
        sending = asyncio.create_task(_send(writer, size, start))
        await _receive(reader, size, start)
        await sending


async def changing_echo(
    connect: Connect, size: int, change: Callable[[], None], within: float = 60.0
) -> None:
    """As `echo`, and call `change` while the first half of the bytes is on its way.

    The second half waits for that, so that it always comes behind the change.
    """
    changed = asyncio.Event()
    half, quarter = size // 2, size // 4

    async def send(writer: asyncio.StreamWriter) -> None:
        await _send(writer, half, 0)
        await changed.wait()
        await _send(writer, size - half, half)

    async with asyncio.timeout(within), _request(connect, f"ECHO {size}") as (reader, writer):
        sending = asyncio.create_task(send(writer))
        await _receive(reader, quarter, 0)
        change()
        changed.set()
        await _receive(reader, size - quarter, quarter)
        await sending


async def download(connect: Connect, size: int, start: int = 0, within: float = 60.0) -> None:
    """Fetch `size` bytes and check them."""
    async with asyncio.timeout(within), _request(connect, f"DOWN {size} {start}") as (reader, _):
        await _receive(reader, size, start)


async def drip(connect: Connect, size: int, start: int = 0, within: float = 60.0) -> None:
    """Fetch `size` bytes that come slowly and check them."""
    async with asyncio.timeout(within), _request(connect, f"DRIP {size} {start}") as (reader, _):
        await _receive(reader, size, start)


async def upload(connect: Connect, size: int, start: int = 0, within: float = 60.0) -> None:
    """Send `size` bytes; the far end tells their hash."""
    async with asyncio.timeout(within), _request(connect, f"UP {size}") as (reader, writer):
        digest = await _send(writer, size, start)
        assert await reader.readexactly(64) == digest


async def upload_to_eof(connect: Connect, size: int, within: float = 60.0) -> None:
    """Send `size` bytes, close this direction alone, and still get the answer."""
    async with asyncio.timeout(within), _request(connect, "SUM") as (reader, writer):
        digest = await _send(writer, size, 0)
        writer.write_eof()
        assert await reader.readexactly(64) == digest
        assert await reader.read() == b""


async def upload_after_eof(connect: Connect, size: int, within: float = 60.0) -> None:
    """Send `size` bytes after the far end has closed its direction."""
    async with asyncio.timeout(within), _request(connect, f"LATE {size}") as (reader, writer):
        assert await reader.read() == b""
        await _send(writer, size, 0)


async def ending(connect: Connect, line: str, *, sends: bool = False) -> str:
    """Ask for `line`, move bytes for as long as the connection lives, and tell how it ended.

    What arrives must be the pattern from its beginning on.

    Returns:
        "clean", or the name of the error that the application saw.
    """
    checker = Checker()
    async with _request(connect, line) as (reader, writer):
        sending = asyncio.create_task(_send(writer, 1 << 40, 0)) if sends else None
        try:
            while data := await reader.read(CHUNK):
                checker.feed(data)
        except ConnectionError as error:
            return type(error).__name__
        finally:
            if sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        return "clean"


async def curl(proxy: str, url: str, output: Path, *options: str, within: float = 60.0) -> None:
    """Fetch `url` with curl through `proxy` (`socks5h://...` or `http://...`)."""
    await output_of(
        *("curl", "--silent", "--show-error", "--fail", "--noproxy", "", "--proxy", proxy),
        *("--max-time", str(within), "--output", str(output), *options, url),
        within=within + 5,
    )


def check_file(path: Path, size: int) -> None:
    """Check that `path` holds the first `size` bytes of the pattern, by hash."""
    expected, found = hashlib.sha256(), hashlib.sha256()
    for offset in range(0, size, CHUNK):
        expected.update(pattern(offset, min(CHUNK, size - offset)))
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            found.update(data)
    assert found.hexdigest() == expected.hexdigest(), f"{path.stat().st_size} bytes of {size}"


@asynccontextmanager
async def _request(connect: Connect, line: str) -> AsyncIterator[Connection]:
    reader, writer = await connect()
    sock: socket.socket = writer.get_extra_info("socket")
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        writer.write(line.encode() + b"\n")
        yield reader, writer
    except BaseException:
        writer.transport.abort()  # what is still to be sent would keep it open
        raise
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def _send(writer: asyncio.StreamWriter, size: int, start: int) -> bytes:
    digest = hashlib.sha256()
    for offset in range(0, size, CHUNK):
        piece = pattern(start + offset, min(CHUNK, size - offset))
        digest.update(piece)
        writer.write(piece)
        await writer.drain()
    return digest.hexdigest().encode()


async def _receive(reader: asyncio.StreamReader, size: int, start: int) -> None:
    checker = Checker(start)
    while checker.received < size:
        data = await reader.read(min(CHUNK, size - checker.received))
        assert data, f"a clean end after {checker.received} of {size} bytes"
        checker.feed(data)
