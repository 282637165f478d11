"""One HTTP request on its way to an origin server, and the response on its way back."""

from __future__ import annotations

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
from blinktun.proxies.http_states import (
    ORIGIN_TABLE,
    REQUEST_TABLE,
    RESPONSE_TABLE,
    Action,
    Input,
    OriginInput,
    OriginState,
    RequestState,
    ResponseState,
    step,
)
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

_WHOLE = {ResponseState.WHOLE, ResponseState.WHOLE_LAST}
_ANSWERED = {*_WHOLE, ResponseState.REFUSED}
_ANSWERING = {*_WHOLE, ResponseState.BEGUN, ResponseState.BEGUN_LAST}


class Origin:
    """A connection to an origin server, as HTTP sees it; one request at a time."""

    def __init__(self) -> None:
        self.reader = Reader(strict=False)
        self._state = OriginState.IDLE

    @property
    def reusable(self) -> bool:
        """Whether a further request may follow: nothing is left over, nobody wants to close."""
        return self._state is OriginState.IDLE and self.reader.is_empty

    @property
    def finished(self) -> bool:
        """Whether there is nothing in progress that closing would cut off."""
        return self._state in {OriginState.IDLE, OriginState.SPENT}

    def take(self, given: OriginInput) -> None:
        """Note what has happened."""
        self._state = ORIGIN_TABLE[self._state, given]


class Exchange:
    """A request that has been read up to its body, and everything that follows.

    Call ``begin`` and send what it returns to the origin. From then on both directions go on
    independently, ``upload`` in one and ``download`` in the other, until ``answered`` or
    ``switched``. Instead, or as long as not ``answering``, ``refused`` ends it.

    Args:
        application: Reads what the application sends, and has read this request's head.
        request: That head.
        target: Where it goes.
        framing: Where it ends.

    Attributes:
        target: Where the origin is.
    """

    def __init__(
        self, application: Reader, request: Request, target: RequestTarget, framing: Framing
    ) -> None:
        self.target: Address = target.address
        self._application = application
        self._request = request
        self._framing = framing
        self._head = request_for_origin(request, target, framing)
        self._response_framing: Framing | None = None  # as the application sees it
        self._origin: Origin  # from `begin` on
        self._request_state = RequestState.HEAD
        self._response_state = ResponseState.SILENT
        self._closes = request.closes  # the application's connection, behind the response

    @property
    def asked(self) -> bool:
        """Whether the origin has been sent the whole request."""
        return self._request_state in {RequestState.BARE, RequestState.WHOLE}

    @property
    def answering(self) -> bool:
        """Whether the application has been sent something of the origin's final response."""
        return self._response_state in _ANSWERING

    @property
    def answered(self) -> bool:
        """Whether the application has been sent the whole response."""
        return self._response_state in _ANSWERED

    @property
    def switched(self) -> bool:
        """Whether both sides speak another protocol from here on; see ``leftovers``."""
        return self._response_state is ResponseState.SWITCHED

    @property
    def replayable(self) -> bool:
        """Whether another origin connection may be tried: no answer yet, and no harm in it."""
        untouched = self._response_state is ResponseState.SILENT
        bare = self._request_state is RequestState.BARE
        return untouched and bare and self._request.method in _IDEMPOTENT

    @property
    def counts(self) -> bool:
        """Whether what the origin sends now is counted and not parsed: any amount is welcome."""
        return isinstance(self._response_framing, Length)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to do, even if the application has not ended its request.

        Who answers before a request has been read, and closes, does not want the rest.
        """
        enough = self._response_state in {ResponseState.SWITCHED, ResponseState.WHOLE_LAST}
        return enough or (self.answered and self.asked)

    @property
    def lasts(self) -> bool:
        """Whether the application may send a further request on its connection."""
        # A short rest of a request that was refused is read and forgotten.
        readable = self.asked or self._response_state is ResponseState.REFUSED
        return self.answered and readable and not self._closes

    def begin(self, origin: Origin) -> Chunk:
        """Return the request, as far as it has come.

        Raises:
            HttpError: its body is malformed.
        """
        self._origin = origin
        origin.take(OriginInput.BEGIN)
        if self._request.closes:
            origin.take(OriginInput.RETIRE)
        if self.asked:  # again; without a body, but its chunks have an end
            return self._head + self._end_of_request()
        body = self._read_request_body(b"")
        return b"".join((self._head, body)) if body else self._head

    def upload(self, data: Chunk) -> Chunk:
        """Return what goes to the origin when this comes from the application; nothing is its end.

        What comes behind the request is kept.

        Raises:
            HttpError: the request's body is malformed, or ends too early.
        """
        match self._take_request(Input.SENT if data else Input.ENDED):
            case Action.READ_BODY:
                return self._read_request_body(data)
            case Action.FAIL:
                raise HttpError(HTTPStatus.BAD_REQUEST, "the request's body ended too early")
            case Action.HOLD:
                self._application.feed(data)
        return b""

    def download(self, data: Chunk) -> Chunk:
        """Return what the application gets when this comes from the origin; nothing is its end.

        Raises:
            HttpError: the response is malformed, or has ended too early. If ``answering``, the
                application must see its connection break off.
        """
        action = self._take_response(Input.SENT if data else Input.ENDED)
        try:
            match action:
                case Action.READ_HEADS:
                    return self._read_heads(data)
                case Action.READ_BODY:
                    return self._pass_response_body(data)
                case Action.END_BODY:
                    self._origin.reader.end()
                    return self._pass_response_body(b"")
                case Action.HOLD:
                    self._origin.reader.feed(data)
        except (HttpError, BodyError) as error:
            reason = f"the origin's response is malformed: {error}"
            raise HttpError(HTTPStatus.BAD_GATEWAY, reason) from None
        if action is Action.FAIL:
            raise HttpError(HTTPStatus.BAD_GATEWAY, "the origin has closed the connection")
        return b""

    def refused(self, reason: Refusal) -> bytes:
        """Return a response that says why there is none from the origin."""
        return self.fail(REFUSALS[reason], f"no answer from the origin: {reason.value}")

    def fail(self, status: HTTPStatus, text: str) -> bytes:
        """Return a response that says what is wrong; only while not ``answering``.

        Raises:
            LocalError: the application has been sent a response already.
        """
        self._take_response(Input.REFUSE)
        if not can_skip(self._application, self._request, self._framing):
            self._closes = True
        return answer(self._request, status, text, close=self._closes)

    def leftovers(self) -> tuple[bytes, bytes]:
        """Return what has come of the new protocol: from the application, from the origin."""
        return self._application.take_rest(), self._origin.reader.take_rest()

    def _take_request(self, given: Input) -> Action:
        self._request_state, action = step(REQUEST_TABLE, self._request_state, given)
        if action is Action.COMPLETE:
            self._complete()
        return action

    def _take_response(self, given: Input) -> Action:
        self._response_state, action = step(RESPONSE_TABLE, self._response_state, given)
        if action is Action.RETIRE:
            self._origin.take(OriginInput.RETIRE)
        elif action is Action.COMPLETE:
            self._complete()
        return action

    def _complete(self) -> None:
        """Free the origin's connection if both messages are over."""
        if self.asked and self._response_state in _WHOLE:
            self._origin.take(OriginInput.COMPLETE)

    def _read_request_body(self, data: Chunk) -> Chunk:
        application = self._application
        try:
            sent = application.read_body(data)
        except BodyError as error:
            reason = f"malformed request body: {error}"
            raise HttpError(HTTPStatus.BAD_REQUEST, reason) from None
        if sent:
            self._take_request(Input.BODY)
        if isinstance(self._framing, Chunked):
            sent = write_chunk(sent)
            if application.body_ended:
                sent += self._end_of_request()
        if application.body_ended:
            self._take_request(Input.WHOLE)
        return sent

    def _end_of_request(self) -> bytes:
        """Return what stands behind the body that has ended."""
        return last_chunk(self._application.trailers) if isinstance(self._framing, Chunked) else b""

    def _read_heads(self, data: Chunk) -> Chunk:
        """Return interim responses, and the final one as far as it has come."""
        reader = self._origin.reader
        reader.feed(data)
        parts: list[Chunk] = []
        while (head := reader.take_head()) is not None:
            response = read_response(head)
            if response.status >= 200:
                parts.append(self._respond(response))
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
            self._take_response(Input.SWITCH)
        elif self._request.minor < 1:
            return b""  # RFC 9110, section 15.2
        return interim_for_application(response)

    def _respond(self, response: Response) -> bytes:
        framing = response_framing(response, self._request.method)
        self._origin.reader.expect_body(framing)
        last = isinstance(framing, UntilEnd) or response.closes or is_ambiguous(response)
        self._response_framing = self._framing_for_application(framing)
        if (last and not self.asked) or _is_coded(framing):
            self._closes = True
        head = response_for_application(response, self._response_framing, close=self._closes)
        body = self._read_response_body(b"")  # if this is malformed, a 502 can still be sent
        self._take_response(Input.FINAL_LAST if last else Input.FINAL)
        self._end_response()
        return b"".join((head, body))

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

    def _pass_response_body(self, data: Chunk) -> Chunk:
        sent = self._read_response_body(data)
        self._end_response()
        return sent

    def _read_response_body(self, data: Chunk) -> Chunk:
        reader = self._origin.reader
        sent = reader.read_body(data)
        if isinstance(self._response_framing, Chunked):
            sent = write_chunk(sent)
            if reader.body_ended:
                sent += last_chunk(reader.trailers)
        return sent

    def _end_response(self) -> None:
        if self._origin.reader.body_ended:
            self._take_response(Input.WHOLE)


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
