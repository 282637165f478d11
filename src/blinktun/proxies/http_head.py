"""Read the head of an HTTP/1 message (RFC 9112), tolerant of spelling, strict about framing.

What has only one meaning is read, however it is spelled. A request that another reader could take
for a different one is refused. A response is repaired where RFC 9112 says how. Nothing of the
spelling is passed on: ``http_message`` writes every head in one normal form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import NamedTuple

from blinktun.errors import RemoteError

_TOKEN_BYTES = rb"!#$%&'*+\-.^_`|~0-9A-Za-z"
TOKEN = re.compile(rb"[%b]+" % _TOKEN_BYTES)
_NOT_TOKEN = re.compile(rb"[^%b]+" % _TOKEN_BYTES)
_REQUEST_LINE = re.compile(
    rb"(?P<method>[%b]+) +(?P<target>[\x21-\x7e\x80-\xff]+) +HTTP/(?P<major>\d)\.(?P<minor>\d) *"
    % _TOKEN_BYTES
)
# `ICY` is the status line of SHOUTcast, which is otherwise HTTP/1.0.
_STATUS_LINE = re.compile(
    rb"(?:HTTP/1\.(?P<minor>\d)|ICY) +(?P<status>[1-9]\d\d)(?: (?P<reason>.*))?", re.IGNORECASE
)
_FOLD = re.compile(rb"\r?\n[ \t]+")
_FRAMING_FOLD = re.compile(
    rb"\n(?:host|content-length|transfer-encoding)[ \t]*:[^\n]*\n[ \t]", re.IGNORECASE
)
# Header injection: some readers end a line at CR alone, some end a string at NUL.
_NUL_OR_BARE_CR = re.compile(rb"\x00|\r(?!\n)")
_SPACE_OR_CONTROL = re.compile(rb"[\x00-\x20\x7f]")
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")

FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""Fields that decide where a message goes or ends."""

# Names of methods have a case, but these exist in no other (as in the Fetch standard).
_KNOWN_METHODS = {b"CONNECT", b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT"}


class HttpError(RemoteError):
    """A message that cannot be passed on.

    Attributes:
        status: What the application is told.
    """

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Field(NamedTuple):
    """One header or trailer.

    Attributes:
        key: Its name in lower case.
        name: Its name as it came.
        value: Its value, without white space around it.
    """

    key: bytes
    name: bytes
    value: bytes


@dataclass(frozen=True)
class Head:
    """What requests and responses share.

    Attributes:
        minor: 0 for HTTP/1.0, 1 for HTTP/1.1 and what is like it.
        fields: All headers, in order.
    """

    minor: int
    fields: list[Field]

    def values(self, key: bytes) -> list[bytes]:
        """Return the values of all headers of this name, which is in lower case."""
        return [field.value for field in self.fields if field.key == key]

    def items(self, key: bytes) -> list[bytes]:
        """Return the members of a list, which may stand in several headers, in lower case."""
        values = self.values(key)
        if not values:
            return []
        members = b",".join(values).lower().split(b",")
        return [item for member in members if (item := member.strip(b" \t"))]

    @cached_property
    def options(self) -> frozenset[bytes]:
        """The connection options: what is for this hop alone."""
        return frozenset(self.items(b"connection"))

    @property
    def closes(self) -> bool:
        """Whether this is the last message that its sender wants on this connection."""
        return self.minor < 1 or b"close" in self.options


@dataclass(frozen=True)
class Request(Head):
    """The head of a request."""

    method: bytes
    target: bytes

    @property
    def closes(self) -> bool:
        """Whether the application wants no further request on this connection."""
        return super().closes or b"close" in self.items(b"proxy-connection")

    @property
    def wants_upgrade(self) -> bool:
        """Whether the application asks to go on in another protocol (RFC 9110, section 7.8)."""
        upgrade = b"upgrade" in self.options and self.items(b"upgrade")
        return self.minor >= 1 and bool(upgrade)


@dataclass(frozen=True)
class Response(Head):
    """The head of a response."""

    status: int
    reason: bytes


def read_request(head: bytes) -> Request:
    """Read the head of a request, with the empty line at its end.

    Raises:
        HttpError: it is malformed, or could be read in two ways.
    """
    if _NUL_OR_BARE_CR.search(head):
        raise _bad_request("a control character in the head")
    if _FRAMING_FOLD.search(head):
        raise _bad_request("a folded line that frames the message")
    first, *lines = _lines(head)
    match = _REQUEST_LINE.fullmatch(first)
    if not match:
        raise _bad_request("illegal request line")
    if match["major"] != b"1":
        raise HttpError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "this is not HTTP/1")
    fields = [field for line in lines if (field := _request_field(line))]
    method = upper if (upper := match["method"].upper()) in _KNOWN_METHODS else match["method"]
    request = Request(min(int(match["minor"]), 1), fields, method, match["target"])
    if len({value.lower() for value in request.values(b"host")}) > 1:
        raise _bad_request("several Host headers that differ")
    return request


def read_response(head: bytes) -> Response:
    """Read the head of a response, with the empty line at its end.

    Raises:
        HttpError: it is malformed.
    """
    if _NUL_OR_BARE_CR.search(head):
        raise HttpError(HTTPStatus.BAD_GATEWAY, "a control character in the head")
    first, *lines = _lines(_CONTROL.sub(b" ", head))
    match = _STATUS_LINE.fullmatch(first)
    if not match:
        raise HttpError(HTTPStatus.BAD_GATEWAY, "illegal status line")
    return Response(
        min(int(match["minor"] or b"0"), 1),
        [field for line in lines if (field := _response_field(line))],
        int(match["status"]),
        (match["reason"] or b"").strip(b" \t"),
    )


def read_trailers(lines: bytes) -> list[Field]:
    """Read the fields behind a last chunk; what is no field is dropped, as RFC 9110 allows."""
    if _NUL_OR_BARE_CR.search(lines):
        return []
    text = _CONTROL.sub(b" ", lines)
    return [field for line in _lines(text) if (field := _response_field(line))]


def _lines(head: bytes) -> list[bytes]:
    """Return the lines before the empty one, folded ones joined."""
    if _FOLD.search(head):
        head = _FOLD.sub(b" ", head)
    return head.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")


def _request_field(line: bytes) -> Field | None:
    """Read one header; None if it is to be dropped.

    Raises:
        HttpError: there is no telling how others read it.
    """
    name, colon, value = line.partition(b":")
    key = name.lower()
    if not colon or not name or _SPACE_OR_CONTROL.search(name):
        raise _bad_request("illegal header line")
    if _CONTROL.search(value):
        if key in FRAMING:
            raise _bad_request("a control character in a header that frames the message")
        value = _CONTROL.sub(b" ", value)
    if TOKEN.fullmatch(name):
        return Field(key, name, value.strip(b" \t"))
    if _NOT_TOKEN.sub(b"", key) in FRAMING:
        raise _bad_request("illegal header line")
    return None


def _response_field(line: bytes) -> Field | None:
    """Read one header; None if it is to be dropped."""
    name, colon, value = line.partition(b":")
    name = name.rstrip(b" \t")
    if not colon or not TOKEN.fullmatch(name):
        return None
    return Field(name.lower(), name, value.strip(b" \t"))


def _bad_request(reason: str) -> HttpError:
    return HttpError(HTTPStatus.BAD_REQUEST, reason)
