"""What a proxy changes in HTTP messages, and the answers of its own (RFC 9110, RFC 9112)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h11

from blinktun.address import Address
from blinktun.errors import RemoteError
from blinktun.presets.socks_address import parse_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from http import HTTPStatus

    Message = h11.Request | h11.Response | h11.InformationalResponse

MAX_HEAD = 65536
"""Bytes of the head of a request; of a response, one read more may come."""
_MAX_SKIPPED = 65536
"""Bytes of a refused request that are read for the sake of the next one."""

# RFC 9110, section 7.6.1. Transfer-Encoding and Upgrade are written anew where they belong.
_HOP_BY_HOP = {
    *(b"connection", b"keep-alive", b"te", b"transfer-encoding", b"upgrade"),
    *(b"proxy-connection", b"proxy-authorization"),
    *(b"proxy-authenticate", b"proxy-authentication-info"),
}
# Connection may not name these: without them a body would begin or end elsewhere.
_FRAMING = {b"content-length", b"host"}
_ABSOLUTE = re.compile(rb"http://(?P<authority>[^/?#]+)(?P<path>[^#]*)(#.*)?", re.IGNORECASE)


class HttpError(RemoteError):
    """A message that cannot be passed on.

    Attributes:
        status: What the application is told.
    """

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """An absolute URL in the words of its origin.

    Attributes:
        address: Where the origin is.
        authority: Its name for ``Host``.
        path: What is asked for, query included.
    """

    address: Address
    authority: bytes
    path: bytes


def parse_target(request: h11.Request) -> RequestTarget:
    """Read the URL of a request that is to be passed on.

    Raises:
        RemoteError: it is not of the form ``http://host/path``.
    """
    match = _ABSOLUTE.fullmatch(request.target)
    if not match:
        raise RemoteError("the URL is not of the form http://host/path")
    authority = match["authority"].rpartition(b"@")[2]
    path = match["path"]
    if not path.startswith(b"/"):
        path = b"*" if request.method == b"OPTIONS" and not path else b"/" + path
    return RequestTarget(parse_authority(authority, default_port=80), authority, path)


def parse_authority(authority: bytes, *, default_port: int) -> Address:
    """Read ``host:port``.

    Raises:
        RemoteError: it is something else.
    """
    try:
        address = Address.parse(authority.decode("utf-8"), default_port=default_port)
    except ValueError as error:
        raise RemoteError(f"the target cannot be read: {error}") from None
    return Address(parse_host(address.host.encode()), address.port)


def request_for_origin(request: h11.Request, target: RequestTarget) -> h11.Request:
    """Write a request as its origin wants it: own path, own headers, our version."""
    headers = [(b"Host", target.authority), *_passed_on(request, dropped=(b"host",))]
    if values(request, b"transfer-encoding"):
        headers.append((b"Transfer-Encoding", b"chunked"))
    if wants_upgrade(request):
        headers += _upgrade(request)
    elif closes(request):
        headers.append((b"Connection", b"close"))
    return h11.Request(method=request.method, target=target.path, headers=headers)


def response_for_application(response: h11.Response, *, close: bool) -> h11.Response:
    """Write a response as the application wants it; h11 adds how its body is delimited."""
    # RFC 9112, section 6.3: chunks win.
    dropped = (b"content-length",) if values(response, b"transfer-encoding") else ()
    headers = _passed_on(response, dropped=dropped)
    if close:
        headers.append((b"Connection", b"close"))
    return h11.Response(status_code=response.status_code, reason=response.reason, headers=headers)


def interim_for_application(response: h11.InformationalResponse) -> h11.InformationalResponse:
    """Write a response of the 100s as the application wants it."""
    headers = _passed_on(response)
    if response.status_code == 101:
        headers += _upgrade(response)
    return h11.InformationalResponse(
        status_code=response.status_code, reason=response.reason, headers=headers
    )


def trailers(end: h11.EndOfMessage) -> list[tuple[bytes, bytes]]:
    """Return the fields behind the last chunk that may be passed on (RFC 9110, section 6.5.1)."""
    return [field for field in end.headers if field[0] not in _HOP_BY_HOP | _FRAMING]


def answer(
    application: h11.Connection,
    request: h11.Request | None,
    status: HTTPStatus,
    text: str,
    *,
    headers: Sequence[tuple[str, str]] = (),
) -> bytes:
    """Write a response of our own.

    The connection lasts if what is left of the request is short and certain to come.

    Args:
        application: Has not begun to answer.
        request: What is answered; None if there is no telling.
        status: What to say.
        text: Explains it.
        headers: Further ones.
    """
    body = f"{text}\n".encode()
    fields = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    fields += headers
    if request is None or not _can_skip(application, request):
        fields.append(("Connection", "close"))
    reply = application.send(h11.Response(status_code=status, reason=status.phrase, headers=fields))
    if request is None or request.method != b"HEAD":
        reply += application.send(h11.Data(data=body))
    return reply + application.send(h11.EndOfMessage())


def wants_upgrade(request: h11.Request) -> bool:
    """Whether the application asks to go on in another protocol (RFC 9110, section 7.8)."""
    return (
        request.http_version >= b"1.1"
        and b"upgrade" in _connection_options(request)
        and bool(values(request, b"upgrade"))
    )


def closes(message: Message) -> bool:
    """Whether a message is the last one that its sender wants on this connection."""
    return message.http_version < b"1.1" or b"close" in _connection_options(message)


def body_length(response: h11.Response, method: bytes) -> int | None:
    """Return the length of a response's body if it was announced (RFC 9112, section 6.3)."""
    if method == b"HEAD" or response.status_code in {204, 304}:
        return 0
    length = values(response, b"content-length")
    return int(length[0]) if length and not values(response, b"transfer-encoding") else None


def values(message: Message, name: bytes) -> list[bytes]:
    """Return the values of all headers of this name, which is in lower case."""
    return [value for field, value in message.headers if field == name]


def _passed_on(message: Message, dropped: Iterable[bytes] = ()) -> list[tuple[bytes, bytes]]:
    """Return the headers that are not for one hop alone, spelled as they came."""
    gone = _HOP_BY_HOP | (_connection_options(message) - _FRAMING) | set(dropped)
    return [
        (name, value) for name, value in message.headers.raw_items() if name.lower() not in gone
    ]


def _connection_options(message: Message) -> set[bytes]:
    return {
        option.strip().lower()
        for value in values(message, b"connection")
        for option in value.split(b",")
    }


def _upgrade(message: Message) -> list[tuple[bytes, bytes]]:
    return [
        (b"Connection", b"Upgrade"),
        (b"Upgrade", b", ".join(values(message, b"upgrade"))),
    ]


def _can_skip(application: h11.Connection, request: h11.Request) -> bool:
    if application.their_state is h11.ERROR or application.they_are_waiting_for_100_continue:
        return False
    if application.their_state is not h11.SEND_BODY:
        return True
    length = values(request, b"content-length") or [b"0"]
    return not values(request, b"transfer-encoding") and int(length[0]) <= _MAX_SKIPPED
