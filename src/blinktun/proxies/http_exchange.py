"""One HTTP request on its way to an origin server, and the response on its way back."""

from __future__ import annotations

from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING

from blinktun.proxies.http_body import BodyError, write_chunk
from blinktun.proxies.http_framing import (
    Chunked,
    Length,
    UntilEnd,
    is_ambiguous,
    response_framing,
)
from blinktun.proxies.http_head import HttpError, read_response
from blinktun.proxies.http_message import (
    answer,
    interim_for_application,
    last_chunk,
    request_for_origin,
    response_for_application,
)
from blinktun.proxies.http_reader import Reader
from blinktun.proxies.refusal import Refusal

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.effects import Chunk
    from blinktun.proxies.http_framing import Framing
    from blinktun.proxies.http_head import Request, Response
    from blinktun.proxies.http_target import RequestTarget

REFUSALS = {
    Refusal.FAILED: HTTPStatus.BAD_GATEWAY,
    Refusal.NOT_ALLOWED: HTTPStatus.FORBIDDEN,
    Refusal.HOST_UNREACHABLE: HTTPStatus.BAD_GATEWAY,
    Refusal.CONNECTION_REFUSED: HTTPStatus.BAD_GATEWAY,
    Refusal.TIMED_OUT: HTTPStatus.GATEWAY_TIMEOUT,
}
"""What an application is told when its request cannot be passed on."""

# RFC 9110, section 9.2.2: asking twice does what asking once does.
_IDEMPOTENT = {b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"}

_MAX_SKIPPED = 65536
"""Bytes of a refused request that are read for the sake of the next one."""


class _Use(Enum):
    """What a connection to an origin is good for."""

    IDLE = auto()  # the next request
    BUSY = auto()  # the request that is on it
    SPENT = auto()  # nothing more


class Origin:
    """A connection to an origin server, as HTTP sees it; one request at a time."""

    def __init__(self) -> None:
        self.reader = Reader(strict=False)
        self._use = _Use.IDLE

    @property
    def reusable(self) -> bool:
        """Whether a further request may follow: nothing is left over, nobody wants to close."""
        return self._use is _Use.IDLE and self.reader.is_empty

    @property
    def finished(self) -> bool:
        """Whether there is nothing in progress that closing would cut off."""
        return self._use is not _Use.BUSY

    def begin(self) -> None:
        """Note that a request has been sent, or a part of it."""
        self._use = _Use.BUSY

    def complete(self, *, last: bool) -> None:
        """Note that the request and its response are over."""
        self._use = _Use.SPENT if last else _Use.IDLE

    def spoil(self) -> None:
        """Note that something came which nobody asked for."""
        if self._use is _Use.IDLE:
            self._use = _Use.SPENT


class Exchange:
    """A request that has been read up to its body, and everything that follows.

    Call ``begin`` and send what it returns to the origin. From then on both directions go on
    independently, ``upload`` and ``hold`` in one, ``download`` in the other, until ``answered`` or
    ``switched``. Instead, or as long as not ``answering``, ``refused`` ends it.

    Args:
        application: Reads what the application sends, and has read this request's head.
        request: That head.
        target: Where it goes.
        framing: Where it ends.

    Attributes:
        target: Where the origin is.
        asked: The origin has been sent the whole request.
        answering: The application has been sent something of the final response.
        answered: The application has been sent the whole response.
        switched: Both sides speak another protocol from here on; see ``leftovers``.
    """

    def __init__(
        self, application: Reader, request: Request, target: RequestTarget, framing: Framing
    ) -> None:
        self.target: Address = target.address
        self.asked = False
        self.answering = False
        self.answered = False
        self.switched = False
        self._application = application
        self._request = request
        self._framing = framing
        self._head = request_for_origin(request, target, framing)
        self._response_framing: Framing | None = None  # as the application sees it
        self._origin: Origin  # from `begin` on
        self._touched = False  # the origin has said something
        self._has_body = False
        self._last_for_origin = False  # it will not read what has not been sent yet
        self._last_for_application = request.closes

    @property
    def replayable(self) -> bool:
        """Whether another origin connection may be tried: no answer yet, and no harm in it."""
        idle = self.asked and not self._has_body and not self._touched
        return idle and self._request.method in _IDEMPOTENT

    @property
    def counts(self) -> bool:
        """Whether what the origin sends now is counted and not parsed: any amount is welcome."""
        return isinstance(self._response_framing, Length)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to do, even if the application has not ended its request.

        Who answers before a request has been read, and closes, does not want the rest.
        """
        return self.switched or (self.answered and (self.asked or self._last_for_origin))

    @property
    def lasts(self) -> bool:
        """Whether the application may send a further request on its connection."""
        # A short rest of a request that was refused is read and forgotten.
        readable = self.asked or not self.answering
        return self.answered and readable and not self._last_for_application

    def begin(self, origin: Origin) -> Chunk:
        """Return the request, as far as it has come.

        Raises:
            HttpError: its body is malformed.
        """
        self._origin = origin
        origin.begin()
        if self.asked:  # again; without a body, but its chunks have an end
            return self._head + self._end_of_request()
        body = self._upload(b"")
        return b"".join((self._head, body)) if body else self._head

    def upload(self, data: Chunk) -> Chunk:
        """Return what goes to the origin when this comes from the application.

        Raises:
            HttpError: the request's body is malformed, or ends too early.
        """
        if not data:
            raise HttpError(HTTPStatus.BAD_REQUEST, "the request's body ended too early")
        return self._upload(data)

    def hold(self, data: Chunk) -> None:
        """Keep what the application sends behind its request."""
        self._application.feed(data)

    def download(self, data: Chunk) -> Chunk:
        """Return what the application gets when this comes from the origin; nothing is its end.

        Raises:
            HttpError: the response is malformed, or has ended too early. If ``answering``, the
                application must see its connection break off.
        """
        if self.answered:
            self._origin.spoil()
            return b""
        if self.switched:
            self._origin.reader.feed(data)
            return b""
        self._touched = self._touched or bool(data)
        if not data and not self.answering:
            raise HttpError(HTTPStatus.BAD_GATEWAY, "the origin has closed the connection")
        try:
            return self._download_body(data) if self.answering else self._download_heads(data)
        except (HttpError, BodyError) as error:
            reason = f"the origin's response is malformed: {error}"
            raise HttpError(HTTPStatus.BAD_GATEWAY, reason) from None

    def refused(self, reason: Refusal) -> bytes:
        """Return a response that says why there is none from the origin."""
        return self.fail(REFUSALS[reason], f"no answer from the origin: {reason.value}")

    def fail(self, status: HTTPStatus, text: str) -> bytes:
        """Return a response that says what is wrong; only while not ``answering``."""
        self.answered = True
        if not can_skip(self._application, self._request, self._framing):
            self._last_for_application = True
        return answer(self._request, status, text, close=self._last_for_application)

    def leftovers(self) -> tuple[bytes, bytes]:
        """Return what has come of the new protocol: from the application, from the origin."""
        return self._application.take_rest(), self._origin.reader.take_rest()

    def _upload(self, data: Chunk) -> Chunk:
        application = self._application
        try:
            sent = application.read_body(data)
        except BodyError as error:
            self._last_for_application = True
            reason = f"malformed request body: {error}"
            raise HttpError(HTTPStatus.BAD_REQUEST, reason) from None
        self._has_body = self._has_body or bool(sent)
        if isinstance(self._framing, Chunked):
            sent = write_chunk(sent)
            if application.body_ended:
                sent += self._end_of_request()
        if application.body_ended:
            self.asked = True
            self._complete()
        return sent

    def _end_of_request(self) -> bytes:
        """Return what stands behind the body that has ended."""
        return last_chunk(self._application.trailers) if isinstance(self._framing, Chunked) else b""

    def _download_heads(self, data: Chunk) -> Chunk:
        """Return interim responses, and the final one as far as it has come."""
        reader = self._origin.reader
        reader.feed(data)
        parts: list[Chunk] = []
        while (head := reader.take_head()) is not None:
            response = read_response(head)
            if response.status >= 200:
                parts += [self._respond(response), self._read_body(b"")]
                self.answering = True  # not before: a malformed body that came with it is a 502
                break
            parts.append(self._interim(response))
            if self.switched:
                break
        return b"".join(parts)

    def _interim(self, response: Response) -> bytes:
        if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
            if not (self._request.wants_upgrade and self.asked):
                reason = "it switched protocols inside a request, or unasked"
                raise HttpError(HTTPStatus.BAD_GATEWAY, reason)
            self.switched = True
        elif self._request.minor < 1:
            return b""  # RFC 9110, section 15.2
        return interim_for_application(response)

    def _respond(self, response: Response) -> bytes:
        framing = response_framing(response, self._request.method)
        self._origin.reader.expect_body(framing)
        endless = isinstance(framing, UntilEnd)
        self._last_for_origin = endless or response.closes or is_ambiguous(response)
        self._response_framing = self._framing_for_application(framing)
        if (self._last_for_origin and not self.asked) or _is_coded(framing):
            self._last_for_application = True
        return response_for_application(
            response, self._response_framing, close=self._last_for_application
        )

    def _framing_for_application(self, framing: Framing) -> Framing:
        if not isinstance(framing, Chunked | UntilEnd):
            return framing
        if self._request.minor >= 1:
            return Chunked(framing.codings)
        # An application of HTTP/1.0 gets no chunks, and nothing behind the last one.
        if _is_coded(framing):
            reason = "a Transfer-Encoding that HTTP/1.0 has no words for"
            raise HttpError(HTTPStatus.BAD_GATEWAY, reason)
        return UntilEnd()

    def _download_body(self, data: Chunk) -> Chunk:
        if not data:
            self._origin.reader.end()
        return self._read_body(data)

    def _read_body(self, data: Chunk) -> Chunk:
        reader = self._origin.reader
        sent = reader.read_body(data)
        if isinstance(self._response_framing, Chunked):
            sent = write_chunk(sent)
            if reader.body_ended:
                sent += last_chunk(reader.trailers)
        if reader.body_ended:
            self.answered = True
            self._complete()
        return sent

    def _complete(self) -> None:
        """Free the origin's connection if both messages are over."""
        if self.asked and self.answered:
            self._origin.complete(last=self._last_for_origin or self._request.closes)


def _is_coded(framing: Framing) -> bool:
    """Whether the chunks of a body hold a coding: some programs then do not see the chunks."""
    return isinstance(framing, Chunked | UntilEnd) and bool(framing.codings)


def can_skip(application: Reader, request: Request, framing: Framing) -> bool:
    """Whether what is left of a request is short, and certain to come."""
    if application.body_ended:
        return True
    waits = request.minor >= 1 and b"100-continue" in request.items(b"expect")
    if waits and not application.body_begun:
        return False
    return isinstance(framing, Length) and framing.count <= _MAX_SKIPPED
