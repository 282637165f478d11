"""Where the body of an HTTP/1 message ends (RFC 9112, section 6)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias

from blinktun.proxies.http_head import TOKEN, HttpError

if TYPE_CHECKING:
    from blinktun.proxies.http_head import Head, Request, Response

# Below 10^18: what every reader holds in 64 bits.
_LENGTH = re.compile(rb"\d{1,18}")
_IDENTITY, _CHUNKED = b"identity", b"chunked"


@dataclass(frozen=True, slots=True)
class Nothing:
    """No body, whatever the head announces.

    Attributes:
        announced: The length of the body that there would be; None if nothing says it.
    """

    announced: int | None = None


@dataclass(frozen=True, slots=True)
class Length:
    """A body of so many bytes."""

    count: int


@dataclass(frozen=True, slots=True)
class Chunked:
    """A body in chunks.

    Attributes:
        codings: What the chunks hold is coded with these; nobody here looks into it.
    """

    codings: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class UntilEnd:
    """A body that lasts as long as its connection."""

    codings: tuple[bytes, ...] = ()


Framing: TypeAlias = Nothing | Length | Chunked | UntilEnd


def request_framing(request: Request) -> Nothing | Length | Chunked:
    """Return where a request ends.

    Raises:
        HttpError: there is no telling, or others could tell something else.
    """
    codings, lengths = request.items(b"transfer-encoding"), request.items(b"content-length")
    if codings == [_IDENTITY]:
        codings = []
    elif request.values(b"transfer-encoding") and (
        lengths or request.minor < 1 or not codings or _IDENTITY in codings
    ):
        raise HttpError(HTTPStatus.BAD_REQUEST, "it is unclear where the request ends")
    if codings and codings != [_CHUNKED]:
        raise HttpError(HTTPStatus.NOT_IMPLEMENTED, "unknown Transfer-Encoding")
    length = _one_length(request, HTTPStatus.BAD_REQUEST)
    if request.method == b"CONNECT" and (codings or length):
        raise HttpError(HTTPStatus.BAD_REQUEST, "CONNECT has no body")
    if codings:
        return Chunked()
    return Nothing() if length is None else Length(length)


def response_framing(response: Response, method: bytes) -> Framing:
    """Return where a response to a request of this method ends.

    Raises:
        HttpError: there is no telling.
    """
    codings = response.items(b"transfer-encoding")
    codings = [coding for coding in codings if coding != _IDENTITY]
    if not all(TOKEN.fullmatch(coding) for coding in codings):
        raise HttpError(HTTPStatus.BAD_GATEWAY, "illegal Transfer-Encoding")
    length = None if codings else _one_length(response, HTTPStatus.BAD_GATEWAY)
    if response.status < 200 or response.status == 204:
        return Nothing()
    if method == b"HEAD" or response.status == 304:
        return Nothing(length)
    if not codings:
        return UntilEnd() if length is None else Length(length)
    # Chunks are the outermost coding, whether one program says so or two that both believe it.
    inner = tuple(coding for coding in codings if coding != _CHUNKED)
    if codings[-1] == _CHUNKED:
        return Chunked(inner)
    if _CHUNKED in codings:
        raise HttpError(HTTPStatus.BAD_GATEWAY, "chunks that are not the last Transfer-Encoding")
    return UntilEnd(inner)


def is_ambiguous(response: Response) -> bool:
    """Whether others could see another end, so that nothing may follow on this connection."""
    coded = response.values(b"transfer-encoding")
    return bool(coded) and (response.minor < 1 or bool(response.values(b"content-length")))


def _one_length(head: Head, status: HTTPStatus) -> int | None:
    """Return the length that all headers agree on; None if none speaks of it."""
    values = head.values(b"content-length")
    if not values:
        return None
    members = [member.strip(b" \t") for value in values for member in value.split(b",")]
    if not all(_LENGTH.fullmatch(member) for member in members):
        raise HttpError(status, "illegal Content-Length")
    if len({int(member) for member in members}) > 1:
        raise HttpError(status, "several Content-Lengths that differ")
    return int(members[0])
