"""How requests and responses are cut never matters, and hostile bytes end in an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blinktun.effects import ConnectTo, Reject, Reply
from blinktun.proxies.http import HttpProxy
from blinktun.proxies.http_exchange import Exchange, Origin
from blinktun.proxies.http_head import HttpError
from blinktun.testing.pair import split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.address import Address
    from blinktun.proxies.base import Demand

REQUESTS = [
    b"GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST http://b:81/ HTTP/1.1\r\nHost: b\r\nContent-Length: 11\r\n\r\nGET http://",
    (
        b"POST http://c/ HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nDigest: 1\r\n\r\n"
    ),
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nskip",
    b"OPTIONS http://a HTTP/1.1\nHost: a\n\n",
]
LAST = [
    b"",
    b"CONNECT d:443 HTTP/1.1\r\nHost: d\r\n\r\nraw",
    b"GET http://e/ HTTP/1.0\r\n\r\n",
    b"no HTTP at all\r\n\r\n",
    b"POST http://f/ HTTP/1.1\r\nHost: f\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
]
RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n"
    ),
    b"HTTP/1.0 200 OK\r\n\r\nup to the end",
    b"HTTP/1.1 204 None\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 66000\r\n\r\n" + bytes(66_000),
]
cuts = st.lists(st.integers(0, 900), max_size=30)


@dataclass
class Seen:
    """What came of a stream of requests."""

    replies: bytes = b""
    requests: list[tuple[Address, list[object]]] = field(default_factory=list)
    end: object = None


@given(
    requests=st.lists(st.sampled_from(REQUESTS), max_size=6), last=st.sampled_from(LAST), at=cuts
)
@example(REQUESTS, LAST[1], list(range(900)))
def test_pipelined_requests_however_they_are_cut(
    requests: list[bytes], last: bytes, at: list[int]
) -> None:
    data = b"".join(requests) + last
    whole = _serve([data])
    assert _serve(split(data, at)) == whole
    known = sum(b" http://" in request for request in requests)
    assert known <= len(whole.requests) <= known + 1


@pytest.mark.parametrize("response", RESPONSES, ids=range(len(RESPONSES)))
@given(at=cuts)
def test_responses_however_they_are_cut(response: bytes, at: list[int]) -> None:
    assert _respond(split(response, at)) == _respond([response])


@given(
    begin=st.sampled_from(
        [
            b"",
            b"GET http://h/ HTTP/1.1\r\nHost: h\r\n",
            b"POST http://h/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        ]
    ),
    data=st.binary(max_size=200),
    at=cuts,
)
def test_hostile_applications(begin: bytes, data: bytes, at: list[int]) -> None:
    seen = _serve(split(begin + data, at))
    assert len(seen.requests) <= 1


@given(
    begin=st.sampled_from(
        [b"", b"HTTP/1.1 200 OK\r\n", *(response[:70] for response in RESPONSES)],
    ),
    data=st.binary(max_size=200),
    at=cuts,
)
def test_hostile_origins(begin: bytes, data: bytes, at: list[int]) -> None:
    _respond(split(begin + data, at))


def _serve(pieces: Sequence[bytes]) -> Seen:
    """Be the tunnel of an application whose origins answer when a request is complete."""
    proxy, seen = HttpProxy(), Seen()
    left = [piece for piece in pieces if piece]
    demands: Sequence[Demand] = proxy.start()
    while seen.end is None:
        exchange = None
        for demand in demands:
            match demand:
                case Reply(data):
                    seen.replies += data
                case Exchange():
                    exchange = demand
                case _:
                    seen.end = demand
        if isinstance(seen.end, ConnectTo):
            seen.requests.append((seen.end.target, [proxy.take_early() + b"".join(left)]))
        elif exchange is not None:
            if not _pass_on(exchange, left, seen):
                return seen
            demands = proxy.start()
        elif seen.end is None:
            if not left:
                return seen
            demands = proxy.receive(left.pop(0))
    return seen


def _pass_on(exchange: Exchange, left: list[bytes], seen: Seen) -> bool:
    """Play one exchange; whether the next may follow."""
    try:
        sent = bytes(exchange.begin(Origin()))
        while not exchange.asked and left:
            sent += exchange.upload(left.pop(0))
    except HttpError as error:
        seen.replies += exchange.fail(error.status, str(error))
        seen.end = Reject(str(error))
        return False
    if not exchange.asked:
        return False
    seen.requests.append((exchange.target, _events(h11.Connection(h11.SERVER), sent)))
    seen.replies += exchange.download(RESPONSES[0])
    return exchange.lasts


def _respond(pieces: Sequence[bytes]) -> tuple[list[object], bool, bool]:
    """Be an origin that sends this and ends; what the application understands, and what stays."""
    (exchange,) = HttpProxy().receive(REQUESTS[0])
    assert isinstance(exchange, Exchange)
    origin = Origin()
    exchange.begin(origin)
    received = b""
    try:
        for piece in (*pieces, b""):
            if exchange.answered:
                break
            received += exchange.download(piece)
    except HttpError:
        assert not exchange.answered
    else:
        assert exchange.answered
    if not exchange.answering:
        return [], exchange.lasts, False
    application = h11.Connection(h11.CLIENT)
    application.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
    application.send(h11.EndOfMessage())
    return _events(application, received), exchange.lasts, exchange.answered and origin.reusable


def _events(parser: h11.Connection, data: bytes) -> list[object]:
    """What a peer understands, pieces of a body joined."""
    parser.receive_data(data)
    events: list[object] = []
    body = b""
    while (event := parser.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
        if isinstance(event, h11.Data):
            body += event.data
        else:
            events.append(event)
        if isinstance(event, h11.ConnectionClosed):
            break
    return [*events, body]
