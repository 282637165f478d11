"""HTTP proxy: CONNECT, and forwarding of requests with an absolute URL (RFC 9110, RFC 9112)."""

from __future__ import annotations

import base64
import binascii
from http import HTTPStatus
from typing import TYPE_CHECKING

from blinktun.effects import ConnectTo, Reject, Reply
from blinktun.errors import RemoteError
from blinktun.proxies.base import Demand, Handshake, credentials_match
from blinktun.proxies.http_body import BodyError
from blinktun.proxies.http_exchange import REFUSALS, Exchange, can_skip
from blinktun.proxies.http_framing import request_framing
from blinktun.proxies.http_head import HttpError, read_request
from blinktun.proxies.http_message import answer
from blinktun.proxies.http_reader import Reader
from blinktun.proxies.http_target import parse_authority, parse_target

if TYPE_CHECKING:
    from blinktun.config.model import Credentials
    from blinktun.effects import Chunk
    from blinktun.proxies.http_framing import Framing
    from blinktun.proxies.http_head import Request
    from blinktun.proxies.refusal import Refusal

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
        self._reader = Reader(strict=True)
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
        self._reader.feed(data)
        return self._read()

    def granted(self) -> bytes:
        """Answer CONNECT."""
        return _ESTABLISHED

    def refused(self, reason: Refusal) -> bytes:
        """Return a response that says why there is no tunnel."""
        return answer(None, REFUSALS[reason], f"no way to the target: {reason.value}", close=True)

    def take_early(self) -> bytes:
        """Return what came behind CONNECT."""
        return self._reader.take_rest()

    def _read(self) -> list[Demand]:
        demands: list[Demand] = []
        try:
            while True:
                self._reader.read_body()  # what is left of a request that has been answered
                head = self._reader.take_head() if self._reader.body_ended else None
                if head is None:
                    return demands
                demands += self._take(read_request(head))
                if not isinstance(demands[-1], Reply):
                    return demands
        except (HttpError, BodyError) as error:
            status = error.status if isinstance(error, HttpError) else HTTPStatus.BAD_REQUEST
            reply = Reply(answer(None, status, str(error), close=True))
            return [*demands, reply, Reject(str(error))]

    def _take(self, request: Request) -> list[Demand]:
        """Decide what becomes of a request."""
        framing = request_framing(request)
        self._reader.expect_body(framing)
        if not self._authorized(request):
            status, text = HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, "wrong or no credentials"
            return self._answer(request, framing, status, text, _CHALLENGE)
        try:
            if request.method == b"CONNECT":
                return [ConnectTo(parse_authority(request.target, default_port=443))]
            target = parse_target(request)
        except RemoteError as error:
            return self._answer(request, framing, HTTPStatus.BAD_REQUEST, str(error))
        self._refused = 0
        return [Exchange(self._reader, request, target, framing)]

    def _answer(
        self,
        request: Request,
        framing: Framing,
        status: HTTPStatus,
        text: str,
        *headers: tuple[str, str],
    ) -> list[Demand]:
        """Refuse a request that was read well; the next one may follow if this one is short."""
        self._complaint = text
        self._refused += 1
        close = (
            self._refused >= _MAX_REFUSED
            or request.closes
            or not can_skip(self._reader, request, framing)
        )
        reply = Reply(answer(request, status, text, close=close, headers=headers))
        return [reply, Reject(text)] if close else [reply]

    def _authorized(self, request: Request) -> bool:
        if self._credentials is None:
            return True
        for value in request.values(b"proxy-authorization"):
            scheme, _, token = value.partition(b" ")
            pair = _decode_basic(token) if scheme.lower() == b"basic" else None
            return pair is not None and credentials_match(self._credentials, *pair)
        return False


def _decode_basic(token: bytes) -> tuple[bytes, bytes] | None:
    try:
        username, colon, password = base64.b64decode(token.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return (username, password) if colon else None
