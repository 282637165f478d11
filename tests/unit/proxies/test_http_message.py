from __future__ import annotations

from http import HTTPStatus

import pytest

from blinktun.proxies.http_framing import Framing, Length, Nothing, request_framing
from blinktun.proxies.http_head import Request, read_request, read_response, read_trailers
from blinktun.proxies.http_message import (
    answer,
    interim_for_application,
    last_chunk,
    request_for_origin,
    response_for_application,
)
from blinktun.proxies.http_target import parse_target


def _request(line: str, *headers: str) -> Request:
    return read_request("\r\n".join((line, *headers, "", "")).encode())


def _lines(message: bytes) -> list[str]:
    assert message.endswith(b"\r\n\r\n")
    return message.decode().split("\r\n")[:-2]


def _written(request: Request) -> list[str]:
    framing = request_framing(request)
    return _lines(request_for_origin(request, parse_target(request), framing))


def test_query_and_headers_stay_and_what_is_ours_goes() -> None:
    assert _written(
        _request(
            "GET http://user:pw@Example.com:8080/a/b?c=d&e#f HTTP/1.1",
            "Host: other",
            "X-Name: one",
            "x-name: two",
            "Proxy-Authorization: Basic secret",
            "Proxy-Connection: keep-alive",
            "Connection: keep-alive, X-Private",
            "Connection: x-other",
            "X-Private: hop",
            "X-Other: hop",
            "Keep-Alive: timeout=5",
            "TE: trailers",
            "Upgrade: websocket",
            "Via: 1.1 before",
        )
    ) == [
        "GET /a/b?c=d&e HTTP/1.1",
        "Host: Example.com:8080",
        "X-Name: one",
        "x-name: two",
        "Via: 1.1 before",
    ]


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        ("GET http://h/ HTTP/1.1", ["Host: h", "Connection: close"]),
        ("GET http://h/ HTTP/1.1", ["Host: h", "Proxy-Connection: Close"]),
        ("GET http://h/ HTTP/1.0", []),
    ],
)
def test_who_asks_once_asks_its_origin_once_in_our_version(line: str, headers: list[str]) -> None:
    written = _written(_request(line, *headers))
    assert written == ["GET / HTTP/1.1", "Host: h", "Connection: close"]


def test_framing_cannot_be_taken_away_by_name() -> None:
    options = "Connection: content-length, host, transfer-encoding"
    request = _request("POST http://h/ HTTP/1.1", "Host: h", "Content-Length: 5", options)
    assert _written(request)[1:] == ["Host: h", "Content-Length: 5"]
    request = _request("POST http://h/ HTTP/1.1", "Host: h", "Transfer-Encoding: CHUNKED", options)
    assert _written(request)[1:] == ["Host: h", "Transfer-Encoding: chunked"]


def test_an_upgrade_is_asked_for_by_connection_and_in_1_1() -> None:
    line, upgrade, option = "GET http://h/ HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade"
    request = _request(line, "Host: h", upgrade, option)
    assert request.wants_upgrade
    assert _written(request)[1:] == ["Host: h", "Connection: Upgrade", "Upgrade: websocket"]
    assert not _request(line, "Host: h", upgrade).wants_upgrade
    assert not _request(line, "Host: h", option).wants_upgrade
    assert not _request("GET http://h/ HTTP/1.0", upgrade, option).wants_upgrade


# --- responses ---

_HOP = [
    "Connection: X-Hop, close",
    "X-Hop: 1",
    "Keep-Alive: timeout=5",
    "Proxy-Authenticate: Basic",
    "Proxy-Connection: close",
    "Upgrade: h2c",
]


def _head(*lines: str) -> bytes:
    return "\r\n".join((*lines, "", "")).encode()


def test_a_response_loses_what_is_for_one_hop() -> None:
    fields = ["Server: x", *_HOP, "Content-Length: 5", "Trailer: Digest", "Host: odd"]
    response = read_response(_head("HTTP/1.1 200 Fine", *fields))
    kept = ["HTTP/1.1 200 Fine", "Server: x", "Trailer: Digest", "Host: odd"]
    assert _lines(response_for_application(response, Length(5), close=False)) == [
        *kept,
        "Content-Length: 5",
    ]
    assert _lines(response_for_application(response, Nothing(), close=True)) == [
        *kept,
        "Connection: close",
    ]


def test_interim_responses() -> None:
    early = read_response(_head("HTTP/1.1 103 Early Hints", "Link: </a>", *_HOP))
    assert _lines(interim_for_application(early)) == ["HTTP/1.1 103 Early Hints", "Link: </a>"]
    switch = _head("HTTP/1.1 101 Switching", "connection: upgrade", "upgrade: websocket")
    assert _lines(interim_for_application(read_response(switch))) == [
        "HTTP/1.1 101 Switching",
        "Connection: Upgrade",
        "Upgrade: websocket",
    ]


def test_trailers_do_not_frame() -> None:
    fields = read_trailers(b"Digest: x\r\nContent-Length: 5\r\nHost: h\nTE: x\r\nno field\r\n")
    assert last_chunk(fields) == b"0\r\nDigest: x\r\n\r\n"
    assert last_chunk(read_trailers(b"A: b\rContent-Length: 5\r\n")) == b"0\r\n\r\n"


@pytest.mark.parametrize("framing", [Nothing(), Nothing(7), Length(7)])
def test_announced_lengths(framing: Framing) -> None:
    response = read_response(_head("HTTP/1.1 200 OK", "Content-Length: 9"))
    written = _lines(response_for_application(response, framing, close=False))
    assert written[1:] == ([] if framing == Nothing() else ["Content-Length: 7"])


def test_who_closes() -> None:
    assert read_response(_head("HTTP/1.0 200 OK")).closes
    assert read_response(_head("HTTP/1.1 200 OK", "Connection: a, Close")).closes
    assert not read_response(_head("HTTP/1.1 200 OK", "Connection: keep-alive")).closes
    assert read_response(_head("HTTP/1.1 200 OK", "A: 1", "a: 2")).values(b"a") == [b"1", b"2"]


def test_own_answers_to_head_have_no_body() -> None:
    whole = answer(None, HTTPStatus.BAD_REQUEST, "no", close=True)
    assert whole.endswith(b"Connection: close\r\n\r\nno\n")
    head = _request("HEAD http://h/ HTTP/1.1")
    assert answer(head, HTTPStatus.BAD_REQUEST, "no", close=True) == whole.removesuffix(b"no\n")
