"""HTTP proxy: CONNECT, and forwarding of requests with an absolute URL (RFC 9110, RFC 9112)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

import h11

from blinktun.address import Address
from blinktun.effects import ConnectTo, Effect, Reject, Reply
from blinktun.errors import RemoteError
from blinktun.presets.socks_address import parse_host
from blinktun.proxies.base import Handshake, Refusal, credentials_match

if TYPE_CHECKING:
    from blinktun.config.model import Credentials
    from blinktun.effects import Chunk

_MAX_HEAD = 65536

_ESTABLISHED = b"HTTP/1.1 200 Connection Established\r\n\r\n"
_STATUS = {
    Refusal.FAILED: "502 Bad Gateway",
    Refusal.NOT_ALLOWED: "403 Forbidden",
    Refusal.HOST_UNREACHABLE: "502 Bad Gateway",
    Refusal.CONNECTION_REFUSED: "502 Bad Gateway",
    Refusal.TIMED_OUT: "504 Gateway Timeout",
}

# RFC 9110, section 7.6.1, and what only concerns this proxy. Transfer-Encoding is written anew.
_HOP_BY_HOP = {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
_ABSOLUTE = re.compile(rb"http://(?P<authority>[^/?#]+)(?P<path>[^#]*)(#.*)?", re.IGNORECASE)


class HttpProxy(Handshake):
    """One request per connection: a tunnel (CONNECT), or a request that is sent on.

    A forwarded request says ``Connection: close``, so its response ends the connection. Bytes
    behind the request's body are never sent on: a further request may be meant for another host.
    """

    def __init__(self, credentials: Credentials | None = None) -> None:
        self._credentials = credentials
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        self._early = b""
        self._tunnel = False
        self._chunked = False

    @property
    def filters_upload(self) -> bool:
        """A tunnel's bytes go through untouched."""
        return not self._tunnel

    def receive(self, data: Chunk) -> list[Effect]:
        """Read the request's head; the first request decides."""
        try:
            self._parser.receive_data(bytes(data))
            event = self._parser.next_event()
        except h11.RemoteProtocolError as error:
            return self._reject("400 Bad Request", str(error))
        if not isinstance(event, h11.Request):
            return []
        if not self._authorized(event):
            return self._reject(
                "407 Proxy Authentication Required",
                "wrong or no credentials",
                'Proxy-Authenticate: Basic realm="blinktun", charset="UTF-8"\r\n',
            )
        try:
            return self._connect(event) if event.method == b"CONNECT" else self._forward(event)
        except RemoteError as error:
            return self._reject("400 Bad Request", str(error))

    def granted(self) -> bytes:
        """Answer CONNECT; a forwarded request is answered by its target."""
        return _ESTABLISHED if self._tunnel else b""

    def refused(self, reason: Refusal) -> bytes:
        """Return a response that says why there is no connection."""
        return _response(_STATUS[reason])

    def take_early(self) -> bytes:
        """Return the rewritten request, or what came behind CONNECT."""
        early, self._early = self._early, b""
        return early

    def upload(self, data: Chunk) -> Chunk:
        """Pass a tunnel's bytes on, and of a forwarded request only its body.

        Raises:
            RemoteError: the body's chunks are malformed.
        """
        if self._tunnel:
            return data
        if self._parser.their_state is not h11.SEND_BODY:
            return b""
        try:
            self._parser.receive_data(bytes(data))
            return self._body()
        except h11.RemoteProtocolError as error:
            raise RemoteError(f"malformed request body: {error}") from None

    def _connect(self, request: h11.Request) -> list[Effect]:
        target = _parse_authority(request.target, default_port=443)
        self._tunnel = True
        self._early = self._parser.trailing_data[0]
        return [ConnectTo(target)]

    def _forward(self, request: h11.Request) -> list[Effect]:
        match = _ABSOLUTE.fullmatch(request.target)
        if not match:
            raise RemoteError("the URL is not of the form http://host/path")
        authority = match["authority"].rpartition(b"@")[2]
        target = _parse_authority(authority, default_port=80)
        path = match["path"]
        if not path.startswith(b"/"):
            path = b"*" if request.method == b"OPTIONS" and not path else b"/" + path
        self._chunked = any(name == b"transfer-encoding" for name, _ in request.headers)
        self._early = self._head(request, authority, path)
        try:
            self._early += self._body()
        except h11.RemoteProtocolError as error:
            raise RemoteError(f"malformed request body: {error}") from None
        return [ConnectTo(target)]

    def _head(self, request: h11.Request, authority: bytes, path: bytes) -> bytes:
        """Write the request as its target wants it: own path, own headers, one connection each."""
        line = b"%s %s HTTP/%s" % (request.method, path, request.http_version)
        lines = [line, b"Host: " + authority]
        dropped = {b"host", *_HOP_BY_HOP, *_named_by_connection(request)}
        if self._chunked:
            dropped.add(b"content-length")  # RFC 9112, section 6.3: chunks win
        for name, value in request.headers.raw_items():
            lowered = name.lower()
            if lowered not in dropped and not lowered.startswith(b"proxy-"):
                lines.append(name + b": " + value)
        if self._chunked:
            lines.append(b"Transfer-Encoding: chunked")
        lines.append(b"Connection: close")
        return b"\r\n".join((*lines, b"", b""))

    def _body(self) -> bytes:
        """Return what the parser holds of the request's body, framed as it was."""
        parts: list[bytes] = []
        while True:
            event = self._parser.next_event()
            match event:
                case h11.Data():
                    data = bytes(event.data)
                    parts.append(b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else data)
                case h11.EndOfMessage():
                    if self._chunked:
                        trailers = b"".join(b"%s: %s\r\n" % item for item in event.headers)
                        parts.append(b"0\r\n" + trailers + b"\r\n")
                    break
                case _:
                    break
        return b"".join(parts)

    def _authorized(self, request: h11.Request) -> bool:
        if self._credentials is None:
            return True
        for name, value in request.headers:
            if name == b"proxy-authorization":
                scheme, _, token = value.strip().partition(b" ")
                pair = _decode_basic(token) if scheme.lower() == b"basic" else None
                return pair is not None and credentials_match(self._credentials, *pair)
        return False

    def _reject(self, status: str, reason: str, headers: str = "") -> list[Effect]:
        return [Reply(_response(status, headers)), Reject(reason)]


def _response(status: str, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"
    return head.encode("ascii")


def _named_by_connection(request: h11.Request) -> set[bytes]:
    """Return the names of the headers that ``Connection`` says are for this hop only."""
    return {
        option.strip().lower()
        for name, value in request.headers
        if name == b"connection"
        for option in value.split(b",")
    }


def _parse_authority(authority: bytes, *, default_port: int) -> Address:
    try:
        address = Address.parse(authority.decode("utf-8"), default_port=default_port)
    except ValueError as error:
        raise RemoteError(f"the target cannot be read: {error}") from None
    return Address(parse_host(address.host.encode()), address.port)


def _decode_basic(token: bytes) -> tuple[bytes, bytes] | None:
    try:
        username, colon, password = base64.b64decode(token.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return (username, password) if colon else None
