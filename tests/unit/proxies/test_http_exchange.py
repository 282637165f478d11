from __future__ import annotations

from itertools import product

import pytest

from blinktun.address import Address
from blinktun.errors import LocalError
from blinktun.proxies.http import HttpProxy
from blinktun.proxies.http_exchange import Exchange, Origin
from blinktun.proxies.http_head import HttpError
from blinktun.proxies.http_states import RequestState, ResponseState
from blinktun.proxies.refusal import Refusal


def _http(*lines: str) -> bytes:
    return "\r\n".join((*lines, "", "")).encode()


GET = _http("GET http://h/ HTTP/1.1", "Host: h")
CHUNKED = "Transfer-Encoding: chunked"
EMPTY = _http("HTTP/1.1 200 OK", "Content-Length: 0")


class Talk:
    """A request on its way."""

    def __init__(self, request: bytes, proxy: HttpProxy | None = None) -> None:
        self.proxy = proxy or HttpProxy()
        demands = self.proxy.receive(request)
        assert len(demands) == 1
        assert isinstance(demands[0], Exchange)
        self.exchange = demands[0]
        self.origin = Origin()
        self.sent = bytes(self.exchange.begin(self.origin))

    def up(self, data: bytes) -> bytes:
        return bytes(self.exchange.upload(data))

    def down(self, data: bytes) -> bytes:
        return bytes(self.exchange.download(data))

    def asked(self) -> bool:
        return self.exchange.asked

    def answering(self) -> bool:
        return self.exchange.answering

    def replayable(self) -> bool:
        return self.exchange.replayable

    def over(self) -> bool:
        return self.exchange.over

    def origin_is_finished(self) -> bool:
        return self.origin.finished

    @property
    def ends(self) -> tuple[bool, bool, bool]:
        """Whether it is answered, the application may go on, and the origin may."""
        return self.exchange.answered, self.exchange.lasts, self.origin.reusable


def test_a_request_and_its_response() -> None:
    talk = Talk(_http("GET http://h:81/a?b HTTP/1.1", "Host: h"))
    assert talk.exchange.target == Address("h", 81)
    assert talk.sent == _http("GET /a?b HTTP/1.1", "Host: h:81")
    assert talk.asked()
    assert not talk.answering()
    assert not talk.origin_is_finished()
    head = _http("HTTP/1.1 200 OK", "Content-Length: 5")
    assert talk.down(head + b"he") == head + b"he"
    assert talk.answering()
    assert talk.down(b"llo") == b"llo"
    assert talk.ends == (True, True, True)
    assert talk.over()
    assert talk.origin_is_finished()


def test_the_next_request_on_the_same_connections() -> None:
    talk = Talk(GET + GET + GET)
    for _ in range(2):
        talk.down(EMPTY)
        (following,) = talk.proxy.start()
        assert isinstance(following, Exchange)
        assert following.begin(talk.origin) == _http("GET / HTTP/1.1", "Host: h")
        talk.exchange = following
    talk.down(EMPTY)
    assert talk.proxy.start() == []


def test_bare_line_feeds_do_not_travel() -> None:
    assert Talk(GET.replace(b"\r\n", b"\n")).sent == _http("GET / HTTP/1.1", "Host: h")


# --- bodies of requests ---


def test_a_body_with_a_length_passes_and_nothing_behind_it() -> None:
    head = _http("POST http://h/ HTTP/1.1", "Host: h", "Content-Length: 10")
    talk = Talk(head + b"01234")
    assert talk.sent == _http("POST / HTTP/1.1", "Host: h", "Content-Length: 10") + b"01234"
    assert not talk.asked()
    assert talk.up(b"567") == b"567"
    assert talk.up(b"89" + GET) == b"89"
    assert talk.asked()
    assert not talk.exchange.replayable
    talk.down(EMPTY)
    assert isinstance(talk.proxy.start()[0], Exchange)


def test_a_chunked_body_passes_chunked_with_its_trailers() -> None:
    talk = Talk(_http("POST http://h/ HTTP/1.1", "Host: h", CHUNKED) + b"5\r\nhello\r\n")
    assert talk.sent == _http("POST / HTTP/1.1", "Host: h", CHUNKED) + b"5\r\nhello\r\n"
    assert talk.up(b"3;ext=1\r\nab") == b"2\r\nab\r\n"
    rest = b"c\r\n2\r\nde\r\n0\r\nDigest: x\r\nContent-Length: 9\r\n\r\n"
    assert talk.up(rest) == b"3\r\ncde\r\n0\r\nDigest: x\r\n\r\n"
    assert talk.asked()


@pytest.mark.parametrize("chunk", [b"xyz\r\n", b"5\r\nhelloo\r\n", b"-1\r\n", b""])
def test_malformed_and_broken_bodies(chunk: bytes) -> None:
    talk = Talk(_http("POST http://h/ HTTP/1.1", "Host: h", CHUNKED))
    with pytest.raises(HttpError) as caught:
        talk.up(chunk)
    assert caught.value.status == 400
    reply = talk.exchange.fail(caught.value.status, str(caught.value))
    assert reply.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"Connection: close" in reply
    assert not talk.exchange.lasts


def test_continue_is_asked_for_and_passed_on() -> None:
    expects = ("Content-Length: 2", "Expect: 100-continue")
    talk = Talk(_http("PUT http://h/ HTTP/1.1", "Host: h", *expects))
    assert talk.sent == _http("PUT / HTTP/1.1", "Host: h", *reversed(expects))
    go_on = _http("HTTP/1.1 100 Continue")
    assert talk.down(go_on) == go_on
    assert not talk.answering()
    assert talk.up(b"ok") == b"ok"
    talk.down(EMPTY)
    assert talk.ends == (True, True, True)


@pytest.mark.parametrize("closing", [False, True])
def test_an_answer_before_the_request_has_ended(closing: bool) -> None:
    talk = Talk(_http("PUT http://h/ HTTP/1.1", "Host: h", "Content-Length: 4"))
    options = ["Connection: close"] if closing else []
    answer = _http("HTTP/1.1 413 Too Much", "Content-Length: 0", *options)
    assert talk.down(answer) == answer
    assert talk.exchange.answered
    assert talk.over() is closing
    assert not talk.exchange.lasts
    assert talk.up(b"much") == b"much"
    assert talk.over()
    assert talk.exchange.lasts is not closing
    assert talk.origin.reusable is not closing


# --- bodies of responses ---


def test_chunks_are_joined_and_trailers_kept() -> None:
    talk = Talk(GET)
    response = _http("HTTP/1.1 200 OK", CHUNKED)
    assert talk.down(response + b"1\r\na\r\n1\r\nb\r\n") == response + b"2\r\nab\r\n"
    assert talk.down(b"0\r\nDigest: x\r\n\r\n") == b"0\r\nDigest: x\r\n\r\n"
    assert talk.ends == (True, True, True)


def test_a_response_that_ends_with_its_connection_gets_chunks() -> None:
    talk = Talk(GET)
    assert talk.down(_http("HTTP/1.1 200 OK") + b"ab") == (
        _http("HTTP/1.1 200 OK", CHUNKED) + b"2\r\nab\r\n"
    )
    assert talk.down(b"") == b"0\r\n\r\n"
    assert talk.ends == (True, True, False)


def test_an_application_of_1_0_gets_no_chunks_and_the_end() -> None:
    talk = Talk(_http("GET http://h/ HTTP/1.0"))
    assert talk.sent == _http("GET / HTTP/1.1", "Host: h", "Connection: close")
    assert talk.down(_http("HTTP/1.1 103 Early Hints")) == b""
    sent = _http("HTTP/1.1 200 OK", CHUNKED) + b"2\r\nab\r\n0\r\nDigest: x\r\n\r\n"
    assert talk.down(sent) == _http("HTTP/1.1 200 OK", "Connection: close") + b"ab"
    assert talk.ends == (True, False, False)


def test_an_origin_of_1_0_serves_one_request() -> None:
    talk = Talk(GET)
    answer = talk.down(_http("HTTP/1.0 200 OK", "Content-Length: 2") + b"ab")
    assert answer == _http("HTTP/1.1 200 OK", "Content-Length: 2") + b"ab"
    assert talk.ends == (True, True, False)


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", "200 OK"), ("GET", "204 None"), ("GET", "304 Same")]
)
@pytest.mark.parametrize("length", [5, 5_000_000])
def test_responses_without_a_body(method: str, status: str, length: int) -> None:
    talk = Talk(_http(f"{method} http://h/ HTTP/1.1", "Host: h"))
    response = _http(f"HTTP/1.1 {status}", f"Content-Length: {length}")
    # RFC 9110, section 8.6: a length makes no sense in a 204.
    passed = _http("HTTP/1.1 204 None") if "204" in status else response
    assert talk.down(response) == passed
    assert talk.ends == (True, True, True)


@pytest.mark.parametrize("size", [1, 70_000, 1_000_000])
def test_long_bodies(size: int) -> None:
    response = _http("HTTP/1.1 200 OK", "Content-Length: 200000") + bytes(range(250)) * 800
    talk = Talk(GET)
    answer = bytearray()
    for at in range(0, len(response), size):
        assert not talk.exchange.answered
        answer += talk.down(response[at : at + size])
    assert answer == response
    assert talk.ends == (True, True, True)
    assert talk.origin_is_finished()
    (following,) = talk.proxy.receive(GET)
    assert isinstance(following, Exchange)
    assert following.begin(talk.origin) == _http("GET / HTTP/1.1", "Host: h")


@pytest.mark.parametrize("last", [False, True])
def test_a_long_body_before_the_end_of_its_request(last: bool) -> None:
    talk = Talk(_http("PUT http://h/ HTTP/1.1", "Host: h", "Content-Length: 4"))
    options = ["Connection: close"] if last else []
    talk.down(_http("HTTP/1.1 200 OK", "Content-Length: 70000", *options) + bytes(70_000))
    assert talk.exchange.answered
    assert talk.over() is last
    assert talk.up(b"much") == b"much"
    assert talk.over()
    assert talk.origin.reusable is not last


@pytest.mark.parametrize("size", [5, 70_000])
def test_what_comes_behind_a_response_is_nobodys(size: int) -> None:
    talk = Talk(GET)
    response = _http("HTTP/1.1 200 OK", f"Content-Length: {size}") + bytes(size)
    assert talk.down(response + EMPTY) == response
    assert talk.ends == (True, True, False)


def test_a_long_response_is_counted_and_what_comes_later_is_nobodys() -> None:
    talk = Talk(GET)
    talk.down(_http("HTTP/1.1 200 OK", "Content-Length: 70000"))
    assert talk.exchange.counts
    talk.down(bytes(70_000))
    assert talk.ends == (True, True, True)
    assert talk.down(EMPTY) == b""
    assert talk.ends == (True, True, False)


@pytest.mark.parametrize(
    ("response", "begun"),
    [
        (b"", False),
        (b"SSH-2.0-x\r\n\r\n", False),
        (_http("HTTP/1.1 200 OK", "Transfer-Encoding: chunked, gzip"), False),
        (_http("HTTP/1.1 101 Switching", "Upgrade: x"), False),
        (_http("HTTP/1.1 200 OK", "Content-Length: 5") + b"hell", True),
        (_http("HTTP/1.1 200 OK", "Content-Length: 70000") + b"hell", True),
        (_http("HTTP/1.1 200 OK", CHUNKED) + b"5\r\nhello\r\n", True),
        (_http("HTTP/1.1 200 OK", CHUNKED) + b"5\r\nhello!!\r\n", False),
    ],
)
def test_responses_that_break_off_or_make_no_sense(response: bytes, begun: bool) -> None:
    talk = Talk(GET)
    with pytest.raises(HttpError) as caught:  # noqa: PT012 - either piece may show it
        for piece in (response, b""):
            talk.down(piece)
    assert caught.value.status == 502
    assert talk.answering() is begun
    assert not talk.exchange.answered
    assert not talk.origin.reusable
    if not begun:
        assert talk.exchange.refused(Refusal.FAILED).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        assert talk.exchange.lasts


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Refusal.FAILED, 502),
        (Refusal.NOT_ALLOWED, 403),
        (Refusal.HOST_UNREACHABLE, 502),
        (Refusal.CONNECTION_REFUSED, 502),
        (Refusal.TIMED_OUT, 504),
    ],
)
def test_refusals_leave_room_for_the_next_request(reason: Refusal, status: int) -> None:
    proxy = HttpProxy()
    body = _http("POST http://h/ HTTP/1.1", "Host: h", "Content-Length: 3")
    (exchange,) = proxy.receive(body + b"ab")
    assert isinstance(exchange, Exchange)
    assert exchange.refused(reason).startswith(b"HTTP/1.1 %d " % status)
    assert exchange.lasts
    assert proxy.start() == []
    assert isinstance(proxy.receive(b"c" + GET)[0], Exchange)


def test_only_what_does_no_harm_is_asked_twice() -> None:
    talk = Talk(GET)
    assert talk.replayable()
    assert talk.exchange.begin(Origin()) == talk.sent
    talk.down(b"H")
    assert not talk.replayable()
    assert not Talk(_http("POST http://h/ HTTP/1.1", "Host: h")).replayable()
    put = _http("PUT http://h/ HTTP/1.1", "Host: h", "Content-Length: 1")
    assert not Talk(put).replayable()
    assert not Talk(put + b"x").replayable()


def test_a_request_without_chunks_is_sent_again_with_its_end() -> None:
    put = _http("PUT http://h/ HTTP/1.1", "Host: h", CHUNKED)
    end = b"0\r\nDigest: x\r\n\r\n"
    whole = _http("PUT / HTTP/1.1", "Host: h", CHUNKED) + end
    for talk in (Talk(put), Talk(put + end)):
        if not talk.asked():
            assert talk.up(end) == end
        assert talk.replayable()
        assert talk.exchange.begin(Origin()) == whole


# --- other protocols ---

UPGRADE = ("Connection: Upgrade", "Upgrade: websocket")


def test_an_upgrade_becomes_a_tunnel() -> None:
    talk = Talk(_http("GET http://h/ HTTP/1.1", "Host: h", *UPGRADE))
    assert talk.sent == _http("GET / HTTP/1.1", "Host: h", *UPGRADE)
    assert talk.up(b"up") == b""
    switch = _http("HTTP/1.1 101 Switching Protocols", *UPGRADE)
    assert talk.down(switch + b"down") == switch
    assert talk.exchange.switched
    assert talk.over()
    assert talk.down(b", and more\r\n\r\n") == b""
    assert talk.exchange.leftovers() == (b"up", b"down, and more\r\n\r\n")


def test_an_upgrade_that_is_declined_is_a_request() -> None:
    talk = Talk(_http("GET http://h/ HTTP/1.1", "Host: h", *UPGRADE) + GET)
    assert talk.down(EMPTY) == EMPTY
    assert talk.ends == (True, True, True)
    assert isinstance(talk.proxy.start()[0], Exchange)


def test_a_switch_inside_a_request() -> None:
    talk = Talk(_http("PUT http://h/ HTTP/1.1", "Host: h", "Content-Length: 1", *UPGRADE))
    with pytest.raises(HttpError, match="switched"):
        talk.down(_http("HTTP/1.1 101 Switching Protocols", *UPGRADE))


# --- every state with every input ---

PUT = _http("PUT http://h/ HTTP/1.1", "Host: h", "Content-Length: 4", *UPGRADE)
REQUESTS = {
    RequestState.HEAD: PUT,
    RequestState.BODY: PUT + b"ab",
    RequestState.BARE: _http("GET http://h/ HTTP/1.1", "Host: h", *UPGRADE),
    RequestState.WHOLE: PUT + b"abcd",
}
BEGUN = _http("HTTP/1.1 200 OK", "Content-Length: 5") + b"he"
BEGUN_LAST = _http("HTTP/1.1 200 OK", "Content-Length: 5", "Connection: close") + b"he"
RESPONSES = {
    ResponseState.SILENT: b"",
    ResponseState.HEARD: b"HTTP/1.1",
    ResponseState.BEGUN: BEGUN,
    ResponseState.BEGUN_LAST: BEGUN_LAST,
    ResponseState.WHOLE: BEGUN + b"llo",
    ResponseState.WHOLE_LAST: BEGUN_LAST + b"llo",
    ResponseState.REFUSED: b"",
    ResponseState.SWITCHED: _http("HTTP/1.1 101 Switching Protocols", *UPGRADE),
}
PAIRS = [
    (request, response)
    for request, response in product(REQUESTS, RESPONSES)
    if response is not ResponseState.SWITCHED
    or request in {RequestState.BARE, RequestState.WHOLE}  # else it is an error
]


def _reach(request: RequestState, response: ResponseState) -> Talk:
    talk = Talk(REQUESTS[request])
    if response is ResponseState.REFUSED:
        talk.exchange.refused(Refusal.FAILED)
    elif RESPONSES[response]:
        talk.down(RESPONSES[response])
    _stands_at(talk, request, response)
    return talk


def _stands_at(talk: Talk, request: RequestState, response: ResponseState) -> None:
    exchange = talk.exchange
    assert exchange._request_state is request
    assert exchange._response_state is response
    assert exchange.asked is (request.name in {"BARE", "WHOLE"})
    whole = response.name in {"WHOLE", "WHOLE_LAST"}
    assert exchange.answering is (whole or response.name in {"BEGUN", "BEGUN_LAST"})
    assert exchange.answered is (whole or response.name == "REFUSED")
    assert exchange.switched is (response.name == "SWITCHED")
    told = {
        "o": exchange.over,
        "l": exchange.lasts,
        "r": talk.origin.reusable,
        "f": talk.origin.finished,
        "p": exchange.replayable,
    }
    column = list(RequestState).index(request)
    assert "".join(name for name, holds in told.items() if holds) == TOLD[response.name][column]


TOLD = {
    # HEAD, BODY, BARE, WHOLE
    "SILENT": ("", "", "p", ""),
    "HEARD": ("", "", "", ""),
    "BEGUN": ("", "", "", ""),
    "BEGUN_LAST": ("", "", "", ""),
    "WHOLE": ("", "", "olrf", "olrf"),
    "WHOLE_LAST": ("o", "o", "olf", "olf"),
    "REFUSED": ("l", "l", "ol", "ol"),
    "SWITCHED": ("", "", "o", "o"),
}
"""Over; lasts; its origin is reusable, is finished; the request may be sent again."""


@pytest.mark.parametrize(("request_", "response"), PAIRS)
def test_every_state_when_the_application_sends(
    request_: RequestState, response: ResponseState
) -> None:
    talk = _reach(request_, response)
    if talk.asked():
        assert talk.up(b"more") == b""
        _stands_at(talk, request_, response)
        assert talk.exchange.leftovers()[0] == b"more"
    else:
        assert talk.up(b"c") == b"c"
        _stands_at(talk, RequestState.BODY, response)


@pytest.mark.parametrize(("request_", "response"), PAIRS)
def test_every_state_when_the_application_ends(
    request_: RequestState, response: ResponseState
) -> None:
    talk = _reach(request_, response)
    if talk.asked():
        assert talk.up(b"") == b""
    else:
        with pytest.raises(HttpError, match="ended too early") as caught:
            talk.up(b"")
        assert caught.value.status == 400
    _stands_at(talk, request_, response)


@pytest.mark.parametrize(("request_", "response"), PAIRS)
def test_every_state_when_the_origin_sends(request_: RequestState, response: ResponseState) -> None:
    talk = _reach(request_, response)
    begun = response in {ResponseState.BEGUN, ResponseState.BEGUN_LAST}
    assert talk.down(b"l") == (b"l" if begun else b"")
    if response is ResponseState.SILENT:
        _stands_at(talk, request_, ResponseState.HEARD)
    elif response is ResponseState.WHOLE:
        assert not talk.origin.reusable
        if not talk.asked():
            talk.up(b"cdef")
            assert talk.asked()
        assert talk.origin.finished
        assert not talk.origin.reusable
    else:
        _stands_at(talk, request_, response)
    if response is ResponseState.SWITCHED:
        assert talk.exchange.leftovers()[1] == b"l"


@pytest.mark.parametrize(("request_", "response"), PAIRS)
def test_every_state_when_the_origin_ends(request_: RequestState, response: ResponseState) -> None:
    talk = _reach(request_, response)
    if response.name in {"SILENT", "HEARD", "BEGUN", "BEGUN_LAST"}:
        early = "closed the connection" if not talk.answering() else "ended too early"
        with pytest.raises(HttpError, match=early) as caught:
            talk.down(b"")
        assert caught.value.status == 502
        _stands_at(talk, request_, response)
    else:
        assert talk.down(b"") == b""
        assert not talk.origin.reusable


@pytest.mark.parametrize(("request_", "response"), PAIRS)
def test_every_state_when_there_will_be_no_response(
    request_: RequestState, response: ResponseState
) -> None:
    talk = _reach(request_, response)
    if response in {ResponseState.SILENT, ResponseState.HEARD}:
        assert talk.exchange.refused(Refusal.FAILED).startswith(b"HTTP/1.1 502 ")
        _stands_at(talk, request_, ResponseState.REFUSED)
    else:
        with pytest.raises(LocalError):
            talk.exchange.refused(Refusal.FAILED)
        _stands_at(talk, request_, response)
