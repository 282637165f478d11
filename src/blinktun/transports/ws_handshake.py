"""WebSocket's handshake, as bytes in and out (RFC 6455, section 4; blinksocks wire, 6.1)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h11

from blinktun.errors import RemoteError

if TYPE_CHECKING:
    from blinktun.effects import Chunk

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSIONS = (b"13", b"8")


class ClientHandshake:
    """Asks a server for a WebSocket.

    Args:
        host: The server's name and port, as its URL has them.
        path: Which of its WebSockets.
        nonce: 16 random bytes.
    """

    def __init__(self, host: str, path: str, nonce: bytes) -> None:
        self._key = base64.b64encode(nonce)
        self._http = h11.Connection(h11.CLIENT)
        headers = [
            (b"Sec-WebSocket-Version", b"13"),
            (b"Sec-WebSocket-Key", self._key),
            (b"Connection", b"Upgrade"),
            (b"Upgrade", b"websocket"),
            (b"Host", host.encode()),
        ]
        request = h11.Request(method="GET", target=path, headers=headers)
        self.request = self._http.send(request) or b""
        """What is sent first."""

    def feed(self, data: Chunk) -> bytes | None:
        """Read the answer; once it is complete, return what came behind it.

        Raises:
            RemoteError: the server does not want to, or does not speak HTTP.
        """
        try:
            self._http.receive_data(bytes(data))
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise RemoteError(f"answered with what is not HTTP ({error})") from error
        if event is h11.NEED_DATA:
            return None
        if not isinstance(event, h11.InformationalResponse) or event.status_code != 101:
            status = getattr(event, "status_code", "nothing")
            raise RemoteError(f"answered {status} to the WebSocket handshake")
        given = dict(event.headers).get(b"sec-websocket-accept", b"")
        if not hmac.compare_digest(given, _accept(self._key)):
            raise RemoteError("answered the WebSocket handshake of somebody else")
        return self._http.trailing_data[0]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server does about a request.

    Attributes:
        reply: What to send if it is open.
        early: What came behind the request.
        refusal: Why not; empty: the WebSocket is open.
    """

    reply: bytes
    early: bytes = b""
    refusal: str = ""


class ServerHandshake:
    """Answers a request for the WebSocket at ``path``."""

    def __init__(self, path: str) -> None:
        self._path = path.encode()
        self._begin = b"GET " + self._path
        self._http = h11.Connection(h11.SERVER)

    def feed(self, data: Chunk) -> Answer | None:
        """Read; None until the request is complete, or can no more be the right one."""
        if self._begin:
            size = min(len(data), len(self._begin))
            if bytes(data[:size]) != self._begin[:size]:
                return Answer(b"", refusal="another request, or none")
            self._begin = self._begin[size:]
        try:
            self._http.receive_data(bytes(data))
            event = self._http.next_event()
            if not isinstance(event, h11.Request):
                return None
            answer = self._answer(event)
            if not answer.refusal:
                self._http.next_event()  # the end of the request, so that the rest is known
        except h11.RemoteProtocolError as error:
            return Answer(b"", refusal=f"not HTTP ({error})")
        if answer.refusal:
            return answer
        return Answer(answer.reply, bytes(self._http.trailing_data[0]))

    def _answer(self, request: h11.Request) -> Answer:
        headers = dict(request.headers)
        if b"upgrade" not in headers or b"upgrade" not in headers.get(b"connection", b"").lower():
            return Answer(b"", refusal="an ordinary HTTP request")
        key = headers.get(b"sec-websocket-key", b"")
        problem = ""
        if headers[b"upgrade"].lower() != b"websocket" or not key:
            problem = "no WebSocket handshake"
        elif headers.get(b"sec-websocket-version") not in _VERSIONS:
            problem = "another version of WebSocket"
        elif request.target.partition(b"?")[0] != self._path:
            problem = "another path"
        if problem:
            return Answer(b"", refusal=problem)
        return Answer(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % _accept(key)
        )


def _accept(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
