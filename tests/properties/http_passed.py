"""What our proxy makes of a stream, and what it means by it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.properties.http_readers import Message, plain_fields

from blinktun.effects import Reply
from blinktun.proxies.http import HttpProxy
from blinktun.proxies.http_exchange import Exchange, Origin
from blinktun.proxies.http_framing import Chunked, UntilEnd
from blinktun.proxies.http_head import HttpError, read_request, read_response
from blinktun.proxies.http_message import _REQUEST_DROPS, _RESPONSE_DROPS
from blinktun.proxies.http_reader import Reader
from blinktun.proxies.http_target import parse_target

if TYPE_CHECKING:
    from blinktun.effects import Chunk
    from blinktun.proxies.http_framing import Framing
    from blinktun.proxies.http_head import Head

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Recording(Reader):
    """Remembers the messages that it reads.

    Attributes:
        messages: The head and the body of each; the last one may be going on.
    """

    def __init__(self, *, strict: bool) -> None:
        super().__init__(strict=strict)
        self.messages: list[tuple[bytes, bytearray]] = []
        self._head = b""

    def take_head(self) -> bytes | None:
        head = super().take_head()
        self._head = head or b""
        return head

    def expect_body(self, framing: Framing) -> None:
        super().expect_body(framing)
        self.messages.append((self._head, bytearray()))

    def read_body(self, data: Chunk = b"") -> Chunk:
        piece = super().read_body(data)
        if self.messages:
            self.messages[-1][1].extend(piece)
        return piece

    def whole(self) -> list[tuple[bytes, bytes]]:
        """Return the messages that have ended."""
        whole = self.messages if self.body_ended else self.messages[:-1]
        return [(head, bytes(body)) for head, body in whole]


@dataclass
class Passed:
    """What became of a stream of requests.

    Attributes:
        read: Every request as it came: method, target, body.
        meant: For each connection to an origin, the whole requests as they were meant.
        sent: For each of them, the bytes of whole requests, and of one that broke off.
    """

    read: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)
    meant: list[list[Message]] = field(default_factory=list)
    sent: list[tuple[bytes, bytes]] = field(default_factory=list)


def pass_on(pieces: list[bytes]) -> Passed:
    """Be an application that sends this, and origins that answer each request."""
    proxy, reader, passed = HttpProxy(), Recording(strict=True), Passed()
    proxy._reader = reader
    origin, left = None, list(pieces)
    demands = proxy.start()
    while left or demands:
        if not demands:
            demands = proxy.receive(left.pop(0))
            continue
        last = demands[-1]
        if isinstance(last, Reply):
            demands = []
            continue
        if not isinstance(last, Exchange):
            break
        if origin is None or not origin.reusable:
            origin = Origin()
            passed.meant.append([])
            passed.sent.append((b"", b""))
        if not _send(last, reader, origin, left, passed):
            break
        demands = proxy.start()
    for head, body in reader.whole():
        request = read_request(head)
        passed.read.append((request.method, request.target, body))
    return passed


def _send(
    exchange: Exchange, reader: Recording, origin: Origin, left: list[bytes], passed: Passed
) -> bool:
    """Play one exchange; whether the next may follow."""
    whole, sent = passed.sent[-1][0], b""
    try:
        sent += exchange.begin(origin)
        while not exchange.asked and left:
            sent += exchange.upload(left.pop(0))
    except HttpError:
        pass
    if not exchange.asked:
        passed.sent[-1] = (whole, sent)
        return False
    head, body = reader.messages[-1]
    request = read_request(head)
    target = parse_target(request)
    assert sent.count(b"\r\nHost: %b\r\n" % target.authority, 0, sent.index(b"\r\n\r\n") + 2) == 1
    first = (request.method, target.path)
    passed.meant[-1].append(Message(first, _kept(request, _REQUEST_DROPS), bytes(body)))
    passed.sent[-1] = (whole + sent, b"")
    exchange.download(EMPTY)
    return exchange.lasts


def _kept(head: Head, drops: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    gone = drops | head.options
    return plain_fields((f.name, f.value) for f in head.fields if f.key not in gone)


@dataclass
class Answered:
    """What became of a response.

    Attributes:
        got: What the application gets.
        meant: The final response, if it was whole.
        broken: The application sees its connection break off.
        endless: The end of the connection is the end of the body.
        switched: Another protocol begins.
        coded: It has a Transfer-Encoding of which not every reader has heard.
    """

    got: bytes
    meant: Message | None
    broken: bool
    endless: bool
    switched: bool
    coded: bool


def pass_back(pieces: list[bytes], request: bytes) -> Answered:
    """Be an origin that sends this and ends."""
    (exchange,) = HttpProxy().receive(request)
    assert isinstance(exchange, Exchange)
    origin, got, broken = Origin(), b"", False
    origin.reader = reader = Recording(strict=False)
    exchange.begin(origin)
    try:
        for piece in (*pieces, b""):
            if exchange.answered or exchange.switched:
                break
            got += exchange.download(piece)
    except HttpError:
        broken = True
    meant = None
    if exchange.answered:
        head, body = reader.messages[-1]
        response = read_response(head)
        first = (b"%d" % response.status, b"")
        meant = Message(first, _kept(response, _RESPONSE_DROPS), bytes(body))
    framing = exchange._response_framing
    endless, chunked = isinstance(framing, UntilEnd), isinstance(framing, Chunked)
    assert not (endless if exchange._request.minor >= 1 else chunked)
    coded = isinstance(framing, Chunked) and bool(framing.codings)
    return Answered(got, meant, broken, endless, exchange.switched, coded)
