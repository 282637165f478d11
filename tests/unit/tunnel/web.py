"""Applications and origins that speak HTTP, for tests of what stands between them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import h11

from blinktun.errors import TransportError
from blinktun.testing.loopback import read_all
from blinktun.transports.tcp import TcpDialer, TcpStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from blinktun.address import Address
    from blinktun.transports.base import Stream


def http(*lines: str) -> bytes:
    return "\r\n".join((*lines, "", "")).encode()


def get(target: Address, path: str = "/", *headers: str, method: str = "GET") -> bytes:
    return http(f"{method} http://{target}{path} HTTP/1.1", f"Host: {target}", *headers)


def ok(body: bytes, *headers: str) -> bytes:
    return http("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers) + body


class Client:
    """An application that speaks HTTP on one connection, by h11."""

    def __init__(self, stream: TcpStream) -> None:
        self.stream = stream
        self._parser = h11.Connection(h11.CLIENT)

    async def ask(
        self, target: Address | str, path: str = "/", body: bytes = b"", *headers: str
    ) -> tuple[int, bytes]:
        """Send a request; returns status and body of the response."""
        fields = [(name, value) for name, _, value in (line.partition(": ") for line in headers)]
        await self.send(
            h11.Request(
                method="POST" if body else "GET",
                target=f"http://{target}{path}",
                headers=[("Host", "h"), ("Content-Length", str(len(body))), *fields],
            ),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        return await self.answer()

    async def send(self, *events: h11.Event) -> None:
        for event in events:
            await self.stream.send(self._parser.send(event) or b"")

    async def answer(self) -> tuple[int, bytes]:
        status, body = 0, b""
        while not isinstance(event := self._parser.next_event(), h11.EndOfMessage):
            match event:
                case h11.Response():
                    status = event.status_code
                case h11.Data():
                    body += event.data
                case h11.NEED_DATA:
                    self._parser.receive_data(bytes(await self.stream.receive()))
        if self._parser.our_state is h11.DONE and self._parser.their_state is h11.DONE:
            self._parser.start_next_cycle()
        return status, body


class Origins:
    """A server that counts its connections and lets a function answer each request."""

    def __init__(self, answer: Callable[[Stream, str, bytes], Awaitable[bool]]) -> None:
        self.connections = 0
        self.heads: list[bytes] = []
        self._answer = answer

    async def serve(self, stream: Stream) -> None:
        self.connections += 1
        try:
            await self._requests(stream)
        except TransportError:
            stream.abort()

    async def _requests(self, stream: Stream) -> None:
        parser = h11.Connection(h11.SERVER)
        while True:
            head, body = None, b""
            while not isinstance(event := parser.next_event(), h11.EndOfMessage):
                match event:
                    case h11.Request():
                        head = event
                    case h11.Data():
                        body += event.data
                    case h11.ConnectionClosed():
                        return await stream.aclose()
                    case h11.NEED_DATA:
                        parser.receive_data(bytes(await stream.receive()))
            assert head is not None
            self.heads.append(b" ".join(name for name, _ in head.headers))
            if not await self._answer(stream, head.target.decode(), body):
                return await stream.aclose()
            rest, parser = parser.trailing_data[0], h11.Connection(h11.SERVER)
            if rest:
                parser.receive_data(rest)


async def plain(stream: Stream, target: str, body: bytes) -> bool:
    """Tell what was asked for."""
    await stream.send(ok(target.encode() + b" " + body))
    return True


async def raw(entry: Address, data: bytes) -> bytes:
    """Send, and read to the end."""
    stream = await TcpDialer().connect(entry)
    await stream.send(data)
    received = await read_all(stream)
    await stream.aclose()
    return received


@asynccontextmanager
async def connected(entry: Address) -> AsyncIterator[Client]:
    stream = await TcpDialer().connect(entry)
    try:
        yield Client(stream)
    finally:
        stream.abort()
