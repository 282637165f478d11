"""One HTTP request on its way to an origin server, and the response on its way back."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import h11

from blinktun.proxies.base import Refusal
from blinktun.proxies.http_message import (
    MAX_HEAD,
    HttpError,
    RequestTarget,
    answer,
    body_length,
    closes,
    interim_for_application,
    request_for_origin,
    response_for_application,
    trailers,
    values,
)

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.effects import Chunk

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


# A longer body of known length does not pass the parser, which would copy it four times.
_LONG = 65536


class Origin:
    """A connection to an origin server, as HTTP sees it; one request at a time."""

    def __init__(self) -> None:
        self.parser = _parser()
        self._last = False

    @property
    def reusable(self) -> bool:
        """Whether a further request may follow: nothing is left over, nobody wants to close."""
        states = {self.parser.our_state, self.parser.their_state}
        idle = states in ({h11.DONE}, {h11.IDLE})
        return idle and not self._last and self.parser.trailing_data == (b"", False)

    @property
    def finished(self) -> bool:
        """Whether there is nothing in progress that closing would cut off."""
        states = {self.parser.our_state, self.parser.their_state}
        return not states & {h11.SEND_RESPONSE, h11.SEND_BODY, h11.ERROR}

    def spoil(self) -> None:
        """Note that something came which nobody asked for."""
        self._last = True

    def renew(self, *, last: bool) -> None:
        """Note that an exchange has ended without the parser's knowledge."""
        self.parser = _parser()
        self._last = last


class Exchange:
    """A request that has been read up to its body, and everything that follows.

    Call ``begin`` and send what it returns to the origin. From then on both directions go on
    independently, ``upload`` and ``hold`` in one, ``download`` in the other, until ``answered`` or
    ``switched``. Instead, or as long as not ``answering``, ``refused`` ends it.

    Attributes:
        target: Where the origin is.
        asked: The origin has been sent the whole request.
        answering: The application has been sent something of the final response.
        answered: The application has been sent the whole response.
        switched: Both sides speak another protocol from here on; see ``leftovers``.
    """

    def __init__(
        self, application: h11.Connection, request: h11.Request, target: RequestTarget
    ) -> None:
        self.target: Address = target.address
        self.asked = False
        self.answering = False
        self.answered = False
        self.switched = False
        self._application = application
        self._original = request
        self._request = request_for_origin(request, target)
        self._way: Origin  # from `begin` on
        self._origin: h11.Connection
        self._left: int | None = None  # bytes of a long response that are still to come
        self._touched = False  # the origin has said something
        self._has_body = False
        self._last = False  # the origin will not read what has not been sent yet

    @property
    def replayable(self) -> bool:
        """Whether another origin connection may be tried: no answer yet, and no harm in it."""
        idle = self.asked and not self._has_body and not self._touched
        return idle and self._request.method in _IDEMPOTENT

    @property
    def counts(self) -> bool:
        """Whether what the origin sends now is counted and not parsed: any amount is welcome."""
        return self._left is not None

    @property
    def over(self) -> bool:
        """Whether there is nothing more to do, even if the application has not ended its request.

        Who answers before a request has been read, and closes, does not want the rest.
        """
        return self.switched or (self.answered and (self.asked or self._last))

    @property
    def lasts(self) -> bool:
        """Whether the application may send a further request on its connection."""
        ours, theirs = self._application.our_state, self._application.their_state
        # A short rest of a request that was refused is read and forgotten.
        refused = self.answered and not self.answering and theirs is h11.SEND_BODY
        return ours is h11.DONE and (theirs is h11.DONE or refused)

    def begin(self, origin: Origin) -> Chunk:
        """Return the request, as far as it has come.

        Raises:
            HttpError: its body is malformed.
        """
        self._way, self._origin = origin, origin.parser
        if self._origin.our_state is h11.DONE:
            self._origin.start_next_cycle()
        head = self._origin.send(self._request)
        if self.asked:
            return head + self._origin.send(h11.EndOfMessage())
        return b"".join((head, self._upload()))

    def upload(self, data: Chunk) -> Chunk:
        """Return what goes to the origin when this comes from the application.

        Raises:
            HttpError: the request's body is malformed.
        """
        self._application.receive_data(bytes(data))
        return self._upload()

    def hold(self, data: Chunk) -> None:
        """Keep what the application sends behind its request; nothing means that it has ended."""
        self._application.receive_data(bytes(data))

    def download(self, data: Chunk) -> Chunk:
        """Return what the application gets when this comes from the origin; nothing is its end.

        Raises:
            HttpError: the response is malformed, or has ended too early. If ``answering``, the
                application must see its connection break off.
        """
        self._touched = self._touched or bool(data)
        if self.answered:
            self._way.spoil()
            return b""
        if self._left is not None:
            return self._download_long(data, self._left)
        try:
            self._origin.receive_data(bytes(data))
            return self._download()
        except h11.RemoteProtocolError as error:
            reason = f"the origin's response is malformed: {_brief(error)}"
            raise HttpError(HTTPStatus.BAD_GATEWAY, reason) from None

    def refused(self, reason: Refusal) -> bytes:
        """Return a response that says why there is none from the origin."""
        return self.fail(REFUSALS[reason], f"no answer from the origin: {reason.value}")

    def fail(self, status: HTTPStatus, text: str) -> bytes:
        """Return a response that says what is wrong; only while not ``answering``."""
        self.answered = True
        return answer(self._application, self._original, status, text)

    def leftovers(self) -> tuple[bytes, bytes]:
        """Return what has come of the new protocol: from the application, from the origin."""
        return self._application.trailing_data[0], self._origin.trailing_data[0]

    def _upload(self) -> Chunk:
        try:
            data, end = _read_body(self._application)
        except h11.RemoteProtocolError as error:
            reason = f"malformed request body: {_brief(error)}"
            raise HttpError(HTTPStatus.BAD_REQUEST, reason) from None
        sent: Chunk = b""
        if data:
            self._has_body = True
            sent = _write(self._origin, data)
        if end:
            self.asked = True
            if tail := self._origin.send(h11.EndOfMessage(headers=trailers(end))):
                sent = b"".join((sent, tail))
        return sent

    def _download(self) -> Chunk:
        parts: list[Chunk] = []
        while not self.answering:
            event = self._origin.next_event()
            match event:
                case h11.InformationalResponse():
                    parts.append(self._interim(event))
                case h11.Response():
                    parts.append(self._respond(event))
                case h11.ConnectionClosed():
                    raise HttpError(HTTPStatus.BAD_GATEWAY, "the origin has closed the connection")
                case _:
                    return b"".join(parts)
            if self.switched:
                return b"".join(parts)
        if self._left is not None:
            parts.append(self._download_long(self._origin.trailing_data[0], self._left, head=True))
            return b"".join(parts)
        data, end = _read_body(self._origin)
        if data:
            parts.append(_write(self._application, data))
        if end:
            self.answered = True
            # An application of HTTP/1.0 gets no chunks, and nothing behind the last one.
            fields = trailers(end) if self._original.http_version >= b"1.1" else []
            parts.append(self._application.send(h11.EndOfMessage(headers=fields)))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _download_long(self, data: Chunk, left: int, *, head: bool = False) -> Chunk:
        """Count a body of known length; what comes behind it is nobody's."""
        if not data and not head:
            raise HttpError(HTTPStatus.BAD_GATEWAY, "the origin's response ended too early")
        surplus = len(data) > left
        piece = memoryview(data)[:left] if surplus else data
        self._left = left - len(piece)
        if piece:
            piece = _write(self._application, piece)
        if not self._left:
            self.answered = True
            self._application.send(h11.EndOfMessage())
            if self.asked:
                self._way.renew(last=surplus or self._last)
        return piece

    def _interim(self, response: h11.InformationalResponse) -> bytes:
        if response.status_code == 101:
            if not self.asked:
                reason = "the origin switched protocols inside a request"
                raise HttpError(HTTPStatus.BAD_GATEWAY, reason)
            self.switched = True
        elif self._original.http_version < b"1.1":
            return b""  # RFC 9110, section 15.2
        return self._application.send(interim_for_application(response))

    def _respond(self, response: h11.Response) -> bytes:
        self.answering = True
        framed = values(response, b"content-length") or values(response, b"transfer-encoding")
        self._last = closes(response) or not framed
        close = self._last and not self.asked
        length = body_length(response, self._request.method)
        if length is not None and length > _LONG:
            self._left = length
        return self._application.send(response_for_application(response, close=close))


def _parser() -> h11.Connection:
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)


def _write(parser: h11.Connection, data: Chunk) -> Chunk:
    """Return a piece of a body as it is sent, without a copy if its length is known."""
    # The type says bytes, the documentation anything that has a length.
    pieces = parser.send_with_data_passthrough(h11.Data(data=cast("bytes", data))) or []
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _read_body(parser: h11.Connection) -> tuple[Chunk, h11.EndOfMessage | None]:
    """Return what a parser holds of a body, in one piece, and its end, if that has come."""
    parts: list[bytes] = []
    end = None
    while end is None:
        event = parser.next_event()
        match event:
            case h11.Data():
                parts.append(event.data)
            case h11.EndOfMessage():
                end = event
            case _:
                break
    return (parts[0] if len(parts) == 1 else b"".join(parts)), end


def _brief(error: h11.ProtocolError) -> str:
    """What is wrong, without the bytes in question: they may hold secrets."""
    return str(error).partition(":")[0]
