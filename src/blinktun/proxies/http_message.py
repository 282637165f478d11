"""The normal form in which a proxy writes HTTP messages, and the answers of its own.

Each head is written from what was read, never copied: the next hop cannot find another message in
it (RFC 9110 and RFC 9112).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from blinktun.proxies.http_framing import Chunked, Length, Nothing
from blinktun.proxies.http_head import FRAMING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from blinktun.proxies.http_framing import Framing
    from blinktun.proxies.http_head import Field, Head, Request, Response
    from blinktun.proxies.http_target import RequestTarget

# RFC 9110, section 7.6.1. Upgrade is written where it belongs.
_HOP_BY_HOP = frozenset({
    *(b"connection", b"keep-alive", b"te", b"upgrade"),
    *(b"proxy-connection", b"proxy-authorization"),
    *(b"proxy-authenticate", b"proxy-authentication-info"),
})  # fmt: skip
# The framing is written as it was understood, once.
_REQUEST_DROPS = _HOP_BY_HOP | FRAMING
_RESPONSE_DROPS = _HOP_BY_HOP | (FRAMING - {b"host"})
_CLOSE = b"Connection: close\r\n"


def request_for_origin(request: Request, target: RequestTarget, framing: Framing) -> bytes:
    """Write a request as its origin wants it: own path, own headers, our version."""
    parts = [b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (request.method, target.path, target.authority)]
    parts += _passed_on(request, _REQUEST_DROPS)
    parts.append(_framing_fields(framing))
    if request.wants_upgrade:
        parts.append(_upgrade(request))
    elif request.closes:
        parts.append(_CLOSE)
    parts.append(b"\r\n")
    return b"".join(parts)


def response_for_application(response: Response, framing: Framing, *, close: bool) -> bytes:
    """Write a response as the application wants it."""
    parts = [_status_line(response), *_passed_on(response, _RESPONSE_DROPS)]
    parts.append(_framing_fields(framing))
    if close:
        parts.append(_CLOSE)
    parts.append(b"\r\n")
    return b"".join(parts)


def interim_for_application(response: Response) -> bytes:
    """Write a response of the 100s as the application wants it."""
    parts = [_status_line(response), *_passed_on(response, _RESPONSE_DROPS)]
    if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
        parts.append(_upgrade(response))
    parts.append(b"\r\n")
    return b"".join(parts)


def last_chunk(trailers: Iterable[Field]) -> bytes:
    """Write the end of a body of chunks, with the fields that may be passed on behind it."""
    return b"0\r\n%b\r\n" % b"".join(
        b"%b: %b\r\n" % (name, value) for key, name, value in trailers if key not in _REQUEST_DROPS
    )


def answer(
    request: Request | None,
    status: HTTPStatus,
    text: str,
    *,
    close: bool,
    headers: Sequence[tuple[str, str]] = (),
) -> bytes:
    """Write a response of our own.

    Args:
        request: What is answered; None if there is no telling.
        status: What to say.
        text: Explains it.
        close: No further request is read.
        headers: Further ones.
    """
    body = f"{text}\n".encode()
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers),
        *(["Connection: close"] if close else []),
    ]
    head = "\r\n".join((*lines, "", "")).encode()
    return head if request is not None and request.method == b"HEAD" else head + body


def _status_line(response: Response) -> bytes:
    return b"HTTP/1.1 %d %b\r\n" % (response.status, response.reason)


def _passed_on(head: Head, dropped: frozenset[bytes]) -> list[bytes]:
    """Return the headers that are not for one hop alone, their names spelled as they came."""
    gone = dropped | head.options
    return [b"%b: %b\r\n" % (name, value) for key, name, value in head.fields if key not in gone]


def _framing_fields(framing: Framing) -> bytes:
    match framing:
        case Nothing(announced) if announced is not None:
            return b"Content-Length: %d\r\n" % announced
        case Length(count):
            return b"Content-Length: %d\r\n" % count
        case Chunked(codings):
            return b"Transfer-Encoding: %b\r\n" % b", ".join((*codings, b"chunked"))
    return b""


def _upgrade(head: Head) -> bytes:
    upgrades = b"".join(b"Upgrade: %b\r\n" % value for value in head.values(b"upgrade"))
    return b"Connection: Upgrade\r\n" + upgrades
