"""HTTP proxy: CONNECT, and forwarding of requests with an absolute URL (RFC 9110, RFC 9112)."""

from __future__ import annotations

import base64
import binascii
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11

from blinktun.effects import ConnectTo, Reject, Reply
from blinktun.errors import RemoteError
from blinktun.proxies.base import Demand, Handshake, Refusal, credentials_match
from blinktun.proxies.http_exchange import REFUSALS, Exchange
from blinktun.proxies.http_message import (
    MAX_HEAD,
    HttpError,
    answer,
    parse_authority,
    parse_target,
    values,
)

if TYPE_CHECKING:
    from blinktun.config.model import Credentials
    from blinktun.effects import Chunk

_ESTABLISHED = b"HTTP/1.1 200 Connection Established\r\n\r\n"
_CHALLENGE = ("Proxy-Authenticate", 'Basic realm="blinktun", charset="UTF-8"')


_MAX_REFUSED = 16
"""Requests refused in a row, after which the connection closes."""


class HttpProxy(Handshake):
    """Request after request: each is a tunnel (CONNECT), or an ``Exchange`` with its origin.

    After an exchange that ``lasts``, ``start`` looks for the next request. Each request is
    authenticated. What can be answered here without harm to the next request leaves the connection
    open.
    """

    def __init__(self, credentials: Credentials | None = None) -> None:
        self._credentials = credentials
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._request: h11.Request | None = None
        self._come = 0  # bytes since the head began
        self._complaint = ""
        self._refused = 0

    @property
    def complaint(self) -> str:
        """Why the last request was refused here, if it was."""
        return self._complaint

    def start(self) -> list[Demand]:
        """Read what has come already."""
        return self._read()

    def receive(self, data: Chunk) -> list[Demand]:
        """Read a request's head."""
        self._parser.receive_data(bytes(data))
        self._come += len(data)
        return self._read()

    def granted(self) -> bytes:
        """Answer CONNECT."""
        return _ESTABLISHED

    def refused(self, reason: Refusal) -> bytes:
        """Return a response that says why there is no tunnel."""
        return answer(self._parser, None, REFUSALS[reason], f"no way to the target: {reason.value}")

    def take_early(self) -> bytes:
        """Return what came behind CONNECT."""
        return self._parser.trailing_data[0]

    def _read(self) -> list[Demand]:
        demands: list[Demand] = []
        while True:
            self._begin_next()
            try:
                event = self._parser.next_event()
            except h11.RemoteProtocolError as error:
                # What is behind the colon are the application's bytes, secrets included.
                status, reason = HTTPStatus(error.error_status_hint), str(error).partition(":")[0]
                return [*demands, *self._give_up(HttpError(status, reason))]
            match event:
                case h11.Request():
                    self._request = event
                    demands += self._take(event)
                    if not isinstance(demands[-1], Reply):
                        return demands
                case h11.Data() | h11.EndOfMessage():
                    pass  # what is left of a request that has been answered
                case _:
                    return demands

    def _begin_next(self) -> None:
        parser = self._parser
        if parser.our_state is h11.DONE and parser.their_state is h11.DONE:
            parser.start_next_cycle()
            self._request = None
            self._come = len(parser.trailing_data[0])

    def _take(self, request: h11.Request) -> list[Demand]:
        """Decide what becomes of a request."""
        try:
            self._check(request)
            if not self._authorized(request):
                return self._answer(
                    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, "wrong or no credentials", _CHALLENGE
                )
            if request.method == b"CONNECT":
                return [ConnectTo(parse_authority(request.target, default_port=443))]
            target = parse_target(request)
            self._refused = 0
            return [Exchange(self._parser, request, target)]
        except HttpError as error:
            return self._give_up(error)
        except RemoteError as error:
            return self._answer(HTTPStatus.BAD_REQUEST, str(error))

    def _check(self, request: h11.Request) -> None:
        """Refuse what others might read in another way (RFC 9112, sections 2.3, 6.1 and 11.2)."""
        if self._come - len(self._parser.trailing_data[0]) > MAX_HEAD:
            raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too long")
        if not request.http_version.startswith(b"1."):
            raise HttpError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "this is not HTTP/1")
        if values(request, b"transfer-encoding") and (
            request.http_version < b"1.1" or values(request, b"content-length")
        ):
            raise HttpError(HTTPStatus.BAD_REQUEST, "it is unclear where the request ends")

    def _answer(self, status: HTTPStatus, text: str, *headers: tuple[str, str]) -> list[Demand]:
        """Refuse a request that was read well; the next one may follow."""
        self._complaint = text
        self._refused += 1
        request = self._request if self._refused < _MAX_REFUSED else None
        reply = Reply(answer(self._parser, request, status, text, headers=headers))
        return [reply] if self._parser.our_state is h11.DONE else [reply, Reject(text)]

    def _give_up(self, error: HttpError) -> list[Demand]:
        """Answer what leaves no way to find the next request."""
        if self._parser.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return [Reject(str(error))]
        return [Reply(answer(self._parser, None, error.status, str(error))), Reject(str(error))]

    def _authorized(self, request: h11.Request) -> bool:
        if self._credentials is None:
            return True
        for value in values(request, b"proxy-authorization"):
            scheme, _, token = value.strip().partition(b" ")
            pair = _decode_basic(token) if scheme.lower() == b"basic" else None
            return pair is not None and credentials_match(self._credentials, *pair)
        return False


def _decode_basic(token: bytes) -> tuple[bytes, bytes] | None:
    try:
        username, colon, password = base64.b64decode(token.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return (username, password) if colon else None
