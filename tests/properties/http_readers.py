"""Strict readers of HTTP messages that are not ours: h11 and Python's own."""

from __future__ import annotations

import http.client
import io
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, NamedTuple

import h11

if TYPE_CHECKING:
    from collections.abc import Iterable

FRAMING = {b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade"}


class Message(NamedTuple):
    """A whole message, as somebody reads it.

    Attributes:
        first: Method and target, or the status alone: Python trims reasons in its own way.
        fields: Names in lower case and values, without those of ``FRAMING``.
        body: Its content.
    """

    first: tuple[bytes, bytes]
    fields: list[tuple[bytes, bytes]]
    body: bytes


def plain_fields(fields: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the fields that say nothing about framing."""
    return [(name.lower(), value) for name, value in fields if name.lower() not in FRAMING]


class RefusedError(Exception):
    """A reader refuses what it was given.

    Attributes:
        before: What it read before.
    """

    def __init__(self, why: object, before: list[Message]) -> None:
        super().__init__(why)
        self.before = before


# --- h11 ---


def h11_requests(stream: bytes) -> list[Message]:
    """Read requests up to the end, or to one that wants to be the last."""
    parser, found = h11.Connection(h11.SERVER), list[Message]()
    parser.receive_data(stream)
    try:
        while isinstance(request := parser.next_event(), h11.Request):
            body = b""
            while isinstance(event := parser.next_event(), h11.Data):
                body += event.data
            if not isinstance(event, h11.EndOfMessage):
                break
            fields = plain_fields(request.headers)
            found.append(Message((request.method, request.target), fields, body))
            parser.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            parser.send(h11.EndOfMessage())
            if (parser.our_state, parser.their_state) != (h11.DONE, h11.DONE):
                break
            parser.start_next_cycle()
    except h11.RemoteProtocolError as error:
        raise RefusedError(error, found) from None
    return found


def h11_response(stream: bytes, method: bytes) -> Message | None:
    """Read a final response and the end of its connection; None if it is not whole."""
    parser = h11.Connection(h11.CLIENT)
    upgrade = [("Connection", "upgrade"), ("Upgrade", "x")]
    parser.send(h11.Request(method=method, target="/", headers=[("Host", "h"), *upgrade]))
    parser.send(h11.EndOfMessage())
    body, response = b"", None
    try:
        for data in (stream, b""):
            parser.receive_data(data)
            while not isinstance(event := parser.next_event(), h11.EndOfMessage):
                if isinstance(event, h11.Response):
                    response = event
                elif isinstance(event, h11.Data):
                    body += event.data
                elif not isinstance(event, h11.InformationalResponse):
                    break
            else:
                break
    except h11.RemoteProtocolError as error:
        raise RefusedError(error, []) from None
    if response is None or not isinstance(event, h11.EndOfMessage):
        return None
    first = (b"%d" % response.status_code, b"")
    return Message(first, plain_fields(response.headers), body)


# --- http.server and http.client ---


_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class _Kept(io.BytesIO):
    """A file that stays open for the next message."""

    def close(self) -> None:
        pass


class _Request(BaseHTTPRequestHandler):
    """Python's reader of requests, without a connection."""

    def __init__(self, stream: bytes) -> None:
        self.rfile = io.BytesIO(stream)
        self.wfile = self._answer = io.BytesIO()
        self.client_address = ("", 0)

    def read(self) -> bool:
        """Read a head; whether there is one."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            return False
        if not self.parse_request():
            raise RefusedError(self._answer.getvalue()[:60], [])
        return True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is Python's
        pass


def python_requests(stream: bytes) -> list[Message]:
    """Read whole requests up to the end."""
    handler, found = _Request(stream), list[Message]()
    while handler.read():
        fields = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in handler.headers.items()]
        coding, length = handler.headers["Transfer-Encoding"], handler.headers["Content-Length"]
        if coding:
            rest = _Kept(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + handler.rfile.read()
            )
            body = _python_response(rest, "GET").read()
            handler.rfile = io.BytesIO(rest.read())
        else:
            body = handler.rfile.read(int(length or 0))
        first = (handler.command.encode(), handler.path.encode("latin-1"))
        found.append(Message(first, plain_fields(fields), body))
    return found


def python_response(stream: bytes, method: bytes) -> Message | None:
    """Read a final response and the end of its connection; None if it is not whole."""
    try:
        response = _python_response(_Kept(stream), method.decode())
        body = response.read()
    except http.client.IncompleteRead:
        return None
    except (http.client.HTTPException, ValueError) as error:
        raise RefusedError(error, []) from None
    fields = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in response.getheaders()]
    first = (b"%d" % response.status, b"")
    return Message(first, plain_fields(fields), body)


class _Socket:
    def __init__(self, file: _Kept) -> None:
        self._file = file

    def makefile(self, mode: str) -> _Kept:
        return self._file


def _python_response(file: _Kept, method: str) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(_Socket(file), method=method)  # type: ignore[arg-type]
    response.begin()
    return response
