"""A small HTTP server for people and scripts on the same machine.

It answers GET, one request a connection, and only to who names it by a loopback name: a web page
whose name was made to point here is not answered (DNS rebinding).

Bounds: `CONNECTIONS` at once, `MAX_HEAD` bytes of a request, `PATIENCE` seconds for it to arrive
and as many for an answer to be taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import h11

from blinktun.address import Address
from blinktun.net.accept import TcpListener
from blinktun.net.dial import reset

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Mapping

_log = logging.getLogger("blinktun")

LOOPBACK = "127.0.0.1"
CONNECTIONS = 8
MAX_HEAD = 16384
PATIENCE = 10.0

_OWN_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Request:
    """A GET: its path, and its query where each name counts once, the last time."""

    path: str
    query: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    body: bytes
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"

    @classmethod
    def text(cls, text: str, status: int = 200) -> Answer:
        """Plain text, with a line feed at its end."""
        return cls((text.rstrip("\n") + "\n").encode("utf-8", "replace"), status)

    @classmethod
    def json(cls, value: object) -> Answer:
        """A JSON document for people and programs."""
        body = json.dumps(value, indent=1).encode() + b"\n"
        return cls(body, content_type="application/json")


class HttpServer:
    """Serves pages on 127.0.0.1.

    Args:
        answer: Makes the answer of a request; if it raises, the answer is status 500.
    """

    def __init__(self, answer: Callable[[Request], Awaitable[Answer]]) -> None:
        self._answer = answer
        self._listener: TcpListener | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> Address | None:
        """Where it listens, while it does."""
        return self._listener.address if self._listener else None

    async def start(self, port: int) -> None:
        """Listen on ``port``; 0: any.

        Raises:
            TransportError: the port cannot be had.
        """
        self._listener = TcpListener(Address(LOOPBACK, port), self._on_connection)

    async def stop(self) -> None:
        """Listen no more and break off what is being answered."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _on_connection(self, connection: socket.socket) -> None:
        if len(self._connections) >= CONNECTIONS:
            reset(connection)
            return
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, connection: socket.socket) -> None:
        try:
            reader, writer = await asyncio.open_connection(sock=connection, limit=MAX_HEAD)
        except BaseException:
            connection.close()
            raise
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        try:
            async with asyncio.timeout(PATIENCE):
                request = await _receive(http, reader)
            answer = await self._made(request)
            async with asyncio.timeout(PATIENCE):
                await _send(http, writer, answer)
        except (OSError, TimeoutError, h11.ProtocolError):
            writer.transport.abort()
        finally:
            writer.close()

    async def _made(self, request: Request | Answer) -> Answer:
        if isinstance(request, Answer):
            return request
        try:
            return await self._answer(request)
        except Exception:
            _log.exception("bug: no answer for %s", request.path)
            return Answer.text("this went wrong; the log says more", 500)


async def _receive(http: h11.Connection, reader: asyncio.StreamReader) -> Request | Answer:
    """The request, or the answer that refuses it.

    Raises:
        h11.RemoteProtocolError: the connection ended first.
    """
    while True:
        try:
            event = http.next_event()
        except h11.RemoteProtocolError as error:
            if http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
                raise
            return Answer.text("this is no HTTP request that can be read", error.error_status_hint)
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Request):
            return _understood(event)
        else:
            raise h11.RemoteProtocolError("the connection ended before its request")


def _understood(event: h11.Request) -> Request | Answer:
    if event.method != b"GET":
        return Answer(b"", 405)  # an answer to HEAD has no body
    host = next((value for name, value in event.headers if name == b"host"), b"")
    if not _is_own_name(host.decode("latin-1")):
        return Answer.text("ask for it by the name 127.0.0.1 or localhost", 421)
    try:
        target = urlsplit(event.target.decode("latin-1"))
        query = dict(parse_qsl(target.query, max_num_fields=16))
    except ValueError:
        return Answer.text("the address makes no sense", 400)
    return Request(target.path, query)


def _is_own_name(host: str) -> bool:
    name = host.lower()
    if not name.endswith("]"):
        before, colon, port = name.rpartition(":")
        name = before if colon and port.isdecimal() else name
    return name in _OWN_NAMES


async def _send(http: h11.Connection, writer: asyncio.StreamWriter, answer: Answer) -> None:
    headers = [
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "close"),
        *([("Allow", "GET")] if answer.status == 405 else []),
    ]
    events = (
        h11.Response(status_code=answer.status, headers=headers),
        h11.Data(answer.body),
        h11.EndOfMessage(),
    )
    writer.write(b"".join(http.send(event) or b"" for event in events))
    await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
