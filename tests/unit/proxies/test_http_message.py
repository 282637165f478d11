from __future__ import annotations

import h11
import pytest

from blinktun.address import Address
from blinktun.errors import RemoteError
from blinktun.proxies.http_message import (
    body_length,
    closes,
    interim_for_application,
    parse_authority,
    parse_target,
    request_for_origin,
    response_for_application,
    trailers,
    values,
    wants_upgrade,
)


def _request(line: str, *headers: str) -> h11.Request:
    parser = h11.Connection(h11.SERVER)
    parser.receive_data("\r\n".join((line, *headers, "", "")).encode())
    event = parser.next_event()
    assert isinstance(event, h11.Request)
    return event


def _written(request: h11.Request) -> list[str]:
    sent = h11.Connection(h11.CLIENT).send(request_for_origin(request, parse_target(request)))
    return sent.decode().split("\r\n")[:-2]


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
    ("method", "url", "line"),
    [
        ("GET", "http://h", "GET / HTTP/1.1"),
        ("GET", "http://h?q", "GET /?q HTTP/1.1"),
        ("GET", "HTTP://h/", "GET / HTTP/1.1"),
        ("OPTIONS", "http://h", "OPTIONS * HTTP/1.1"),
        ("GET", "http://[::1]/x", "GET /x HTTP/1.1"),
    ],
)
def test_request_lines(method: str, url: str, line: str) -> None:
    request = _request(f"{method} {url} HTTP/1.1", "Host: h")
    assert _written(request)[0] == line
    assert parse_target(request).address.port == 80


@pytest.mark.parametrize("headers", [("Host: h", "Connection: close"), ()])
def test_who_asks_once_asks_its_origin_once_in_our_version(headers: tuple[str, ...]) -> None:
    version = "1.1" if headers else "1.0"
    written = _written(_request(f"GET http://h/ HTTP/{version}", *headers))
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
    assert wants_upgrade(request)
    assert _written(request)[1:] == ["Host: h", "Connection: Upgrade", "Upgrade: websocket"]
    assert not wants_upgrade(_request(line, "Host: h", upgrade))
    assert not wants_upgrade(_request(line, "Host: h", option))
    assert not wants_upgrade(_request("GET http://h/ HTTP/1.0", upgrade, option))


def test_folded_lines_are_joined() -> None:
    request = _request("GET http://h/ HTTP/1.1", "Host: h", "X: one", "  two")
    assert _written(request)[2:] == ["X: one two"]


@pytest.mark.parametrize("url", ["/", "https://h/", "ftp://h/", "http:///x", "http://a:b/", "*"])
def test_urls_of_nobody(url: str) -> None:
    with pytest.raises(RemoteError):
        parse_target(_request(f"GET {url} HTTP/1.1", "Host: h"))


def test_authorities() -> None:
    assert parse_authority(b"[::1]:80", default_port=1) == Address("::1", 80)
    assert parse_authority(b"h", default_port=443) == Address("h", 443)
    with pytest.raises(RemoteError):
        parse_authority(b"h\xff", default_port=1)


# --- responses ---

_HOP = [
    ("Connection", "X-Hop, close"),
    ("X-Hop", "1"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Authenticate", "Basic"),
    ("Proxy-Connection", "close"),
    ("Upgrade", "h2c"),
]


def _response(*headers: tuple[str, str], status: int = 200, version: str = "1.1") -> h11.Response:
    return h11.Response(
        status_code=status, headers=list(headers), reason="Fine", http_version=version
    )


def test_a_response_loses_what_is_for_one_hop() -> None:
    response = response_for_application(
        _response(("Server", "x"), *_HOP, ("Content-Length", "5"), ("Trailer", "Digest")),
        close=False,
    )
    assert response.headers.raw_items() == [
        (b"Server", b"x"), (b"Content-Length", b"5"), (b"Trailer", b"Digest")
    ]  # fmt: skip
    assert (response.status_code, response.reason) == (200, b"Fine")
    closing = response_for_application(_response(), close=True)
    assert list(closing.headers) == [(b"connection", b"close")]


def test_of_length_and_chunks_the_chunks_count() -> None:
    both = _response(("Content-Length", "5"), ("Transfer-Encoding", "chunked"))
    assert list(response_for_application(both, close=False).headers) == []
    assert body_length(both, b"GET") is None


def test_interim_responses() -> None:
    early = h11.InformationalResponse(status_code=103, headers=[("Link", "</a>"), *_HOP])
    assert list(interim_for_application(early).headers) == [(b"link", b"</a>")]
    switch = h11.InformationalResponse(
        status_code=101, headers=[("Connection", "upgrade"), ("Upgrade", "websocket")]
    )
    assert list(interim_for_application(switch).headers) == [
        (b"connection", b"Upgrade"), (b"upgrade", b"websocket")
    ]  # fmt: skip


def test_trailers_do_not_frame() -> None:
    end = h11.EndOfMessage(headers=[("Digest", "x"), ("Content-Length", "5"), ("Host", "h")])
    assert trailers(end) == [(b"digest", b"x")]


@pytest.mark.parametrize(
    ("method", "status", "length"), [(b"GET", 200, 9), (b"HEAD", 200, 0), (b"GET", 304, 0)]
)
def test_body_length(method: bytes, status: int, length: int) -> None:
    assert body_length(_response(("Content-Length", "9"), status=status), method) == length
    assert body_length(_response(), b"GET") is None


def test_who_closes() -> None:
    assert closes(_response(version="1.0"))
    assert closes(_response(("Connection", "a, Close")))
    assert not closes(_response(("Connection", "keep-alive")))
    assert values(_response(("A", "1"), ("a", "2")), b"a") == [b"1", b"2"]
