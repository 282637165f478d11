from __future__ import annotations

import asyncio
import contextlib
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.unit.waiting import until

from blinktun.errors import TransportError
from blinktun.reports import http_server as module
from blinktun.reports.http_server import Answer, HttpServer, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GOOD = b"GET /page?a=1&a=2&b=%20 HTTP/1.1\r\nHost: localhost:1\r\n\r\n"


async def echo(request: Request) -> Answer:
    if request.path == "/bug":
        raise RuntimeError("wrong")
    return Answer.json([request.path, dict(request.query)])


@asynccontextmanager
async def serving(server: HttpServer | None = None) -> AsyncIterator[int]:
    server = server or HttpServer(echo)
    await server.start(0)
    try:
        assert server.address
        assert server.address.host == "127.0.0.1"
        yield server.address.port
    finally:
        await server.stop()
        await server.stop()


async def ask(port: int, request: bytes) -> bytes:
    """All that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


async def status(port: int, request: bytes) -> int:
    return int((await ask(port, request)).split()[1])


async def test_a_page() -> None:
    async with serving() as port:
        head, _, body = (await ask(port, GOOD)).partition(b"\r\n\r\n")
    assert json.loads(body) == ["/page", {"a": "2", "b": " "}]
    assert head.startswith(b"HTTP/1.1 200")
    assert b"Content-Type: application/json" in head
    assert b"Connection: close" in head
    assert b"Content-Length: %d" % len(body) in head


async def test_a_request_in_pieces() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for byte in GOOD:
            writer.write(bytes([byte]))
            await writer.drain()
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405),
        (b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: rebound.example:6060\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost.example\r\n\r\n", 421),
        (b"GET / HTTP/1.0\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 30000 + b"\r\n\r\n", 431),
        (b"GET //[ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /?" + b"a=1&" * 20 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: [::1]:6060\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\nHost: LOCALHOST:80\r\n\r\n", 200),
        (b"GET /bug HTTP/1.1\r\nHost: localhost\r\n\r\n", 500),
    ],
)
async def test_statuses(request_text: bytes, expected: int) -> None:
    async with serving() as port:
        assert await status(port, request_text) == expected


async def test_a_bug_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as port:
        await status(port, b"GET /bug HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert caplog.messages == ["bug: no answer for /bug"]


async def test_who_says_nothing_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HT")
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_who_hangs_up_early_disturbs_nobody() -> None:
    async with serving() as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HT")
        writer.close()
        await writer.wait_closed()
        assert await status(port, GOOD) == 200


async def test_connections_are_counted() -> None:
    server = HttpServer(echo)
    async with serving(server) as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(module.CONNECTIONS)]
        await until(lambda: len(server._connections) == module.CONNECTIONS)
        with contextlib.suppress(ConnectionResetError):
            assert await ask(port, GOOD) == b""
        for _, writer in idle:
            writer.close()
        await until(lambda: not server._connections)
        assert await status(port, GOOD) == 200


async def test_a_port_that_is_taken_is_named() -> None:
    async with serving() as port:
        expected = f"cannot listen on tcp 127.0.0.1:{port}: Address already in use"
        with pytest.raises(TransportError, match=expected):
            await HttpServer(echo).start(port)
