"""What a service sees of a stream of HTTP/2, and what the stream's client sees of the service."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import h2.events
import pytest
from tests.unit.transports.test_h2_connection import Peer, server

from blinktun.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blinktun.transports.base import Stream

PLAIN = [(":method", "GET"), (":path", "/a?b"), (":scheme", "https"), (":authority", "h:1")]


@asynccontextmanager
async def asked(
    headers: list[tuple[str, str]], body: bytes = b"", *, ends: bool = True
) -> AsyncIterator[tuple[Peer, Stream]]:
    """A client of the library's that has asked, and the stream as our server has it."""
    async with server() as (peer, accepted, _far):
        peer.h2.send_headers(1, headers, end_stream=ends and not body)
        if body:
            peer.h2.send_data(1, body, end_stream=ends)
        await peer.flush()
        yield peer, await accepted.next()


async def test_a_request_without_a_body() -> None:
    cookies = [("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2"), ("te", "trailers")]
    async with asked([*PLAIN, *cookies]) as (peer, stream):
        begin, page = stream.for_service(b"")
        assert begin == (
            b"GET /a?b HTTP/1.1\r\nHost: h:1\r\naccept: */*\r\ncookie: a=1; b=2\r\n"
            b"Connection: close\r\n\r\n"
        )
        receiving = asyncio.create_task(page.receive())
        await asyncio.sleep(0.02)
        assert not receiving.done()  # the end of a request is not one of interest
        await page.send(b"HTTP/1.1 200 OK\r\nServer: s\r\nConnection: close\r\nContent-Len")
        await page.send(b"gth: 5\r\n\r\nhel")
        await page.send(b"lo")
        response = await peer.until(h2.events.ResponseReceived)
        assert response.headers == [
            (b":status", b"200"),
            (b"server", b"s"),
            (b"content-length", b"5"),
        ]
        assert (await peer.until(h2.events.DataReceived)).data == b"hel"
        assert (await peer.until(h2.events.DataReceived)).data == b"lo"
        await peer.until(h2.events.StreamEnded)
        assert await receiving == b""
        await page.send_eof()
        assert page.peer == stream.peer
        await page.aclose()


@pytest.mark.parametrize("length", [True, False])
async def test_a_request_with_a_body(length: bool) -> None:
    headers = [(":method", "POST"), *PLAIN[1:]]
    headers += [("content-length", "10")] if length else []
    async with asked(headers, b"hello", ends=False) as (peer, stream):
        begin, page = stream.for_service(bytes(await stream.receive()))
        head, _, told = begin.partition(b"\r\n\r\n")
        assert (b"chunked" in head) is not length
        peer.h2.send_data(1, b"world", end_stream=True)
        await peer.flush()
        told += bytes(await page.receive())
        if not length:
            told += bytes(await page.receive())
        expected = b"helloworld" if length else b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"
        assert told == expected
        await page.send(b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
        assert (b":status", b"404") in (await peer.until(h2.events.ResponseReceived)).headers
        assert (await peer.until(h2.events.DataReceived)).data == b"x"
        assert await page.receive() == b""
        await page.aclose()


async def test_an_answer_that_ends_with_its_connection() -> None:
    async with asked(PLAIN) as (peer, stream):
        _, page = stream.for_service(b"")
        await page.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nall of it")
        await page.send_eof()
        await page.send_eof()
        assert (b":status", b"200") in (await peer.until(h2.events.ResponseReceived)).headers
        assert (await peer.until(h2.events.DataReceived)).data == b"all of it"
        await peer.until(h2.events.StreamEnded)


async def test_an_answer_without_a_body() -> None:
    async with asked([(":method", "HEAD"), *PLAIN[1:]]) as (peer, stream):
        _, page = stream.for_service(b"")
        await page.send(b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n")
        assert (b"content-length", b"18") in (await peer.until(h2.events.ResponseReceived)).headers
        await peer.until(h2.events.StreamEnded)


@pytest.mark.parametrize(
    "words",
    [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nX: " + bytes(9)],
)
async def test_an_answer_that_is_none_is_an_error(words: bytes) -> None:
    async with asked(PLAIN) as (_peer, stream):
        _, page = stream.for_service(b"")
        with pytest.raises(TransportError):  # noqa: PT012 - either may notice
            await page.send(words)
            await page.send_eof()
        page.abort()


async def test_half_an_answer_is_an_error() -> None:
    async with asked(PLAIN) as (_peer, stream):
        _, page = stream.for_service(b"")
        await page.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal")
        with pytest.raises(TransportError):
            await page.send_eof()
        page.abort()


async def test_a_connect() -> None:
    async with asked([(":method", "CONNECT"), (":authority", "h:1")]) as (_peer, stream):
        begin, page = stream.for_service(b"")
        assert begin.startswith(b"CONNECT h:1 HTTP/1.1\r\n")
        page.abort()


@pytest.mark.parametrize("body", [b"", b"and more"])
async def test_what_http1_cannot_say_is_refused_by_the_service(body: bytes) -> None:
    async with asked([(":method", "G(T"), *PLAIN[1:]], body) as (peer, stream):
        begin, page = stream.for_service(b"early")
        assert begin == b"\0 HTTP/1.1\r\n\r\n"
        await page.send(b"HTTP/1.1 400 No\r\n\r\nno")
        await page.send_eof()
        assert (b":status", b"400") in (await peer.until(h2.events.ResponseReceived)).headers
        assert (await peer.until(h2.events.DataReceived)).data == b"no"
        assert await page.receive() == b""
