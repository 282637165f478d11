from __future__ import annotations

import base64

import pytest

from blinktun.address import Address
from blinktun.config.model import Credentials
from blinktun.effects import ConnectTo, Reject, Reply
from blinktun.errors import RemoteError
from blinktun.proxies.base import Refusal
from blinktun.proxies.http import HttpProxy


def _get(line: str, *headers: str) -> bytes:
    return "\r\n".join((line, *headers, "", "")).encode()


def _forwarded(request: bytes) -> tuple[Address, bytes, HttpProxy]:
    proxy = HttpProxy()
    (effect,) = proxy.receive(request)
    assert isinstance(effect, ConnectTo)
    return effect.target, bytes(proxy.take_early()), proxy


def _status(proxy: HttpProxy, request: bytes) -> str:
    reply, reject = proxy.receive(request)
    assert isinstance(reply, Reply)
    assert isinstance(reject, Reject)
    return bytes(reply.data).split(b"\r\n")[0].decode()


# --- CONNECT ---


@pytest.mark.parametrize(
    ("authority", "target"),
    [
        ("example.com:8443", Address("example.com", 8443)),
        ("example.com", Address("example.com", 443)),
        ("[::1]:80", Address("::1", 80)),
        ("127.0.0.1:65535", Address("127.0.0.1", 65535)),
    ],
)
def test_connect(authority: str, target: Address) -> None:
    proxy = HttpProxy()
    request = _get(f"CONNECT {authority} HTTP/1.1", f"Host: {authority}")
    assert proxy.receive(request + b"\x16\x03\x01") == [ConnectTo(target)]
    assert proxy.granted() == b"HTTP/1.1 200 Connection Established\r\n\r\n"
    assert proxy.take_early() == b"\x16\x03\x01"
    assert not proxy.filters_upload
    assert proxy.upload(b"GET / HTTP/1.1\r\n\r\n") == b"GET / HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("authority", ["a:99999", "a:", ":80", "::1:80", "a:x", "a_b/:80", "[::1"])
def test_connect_to_nowhere(authority: str) -> None:
    request = _get(f"CONNECT {authority} HTTP/1.1", "Host: x")
    if authority == "a:":
        assert HttpProxy().receive(request) == [ConnectTo(Address("a", 443))]
    else:
        assert _status(HttpProxy(), request) == "HTTP/1.1 400 Bad Request"


# --- forwarding ---


def test_get_keeps_query_and_headers_and_drops_what_is_ours() -> None:
    target, sent, proxy = _forwarded(
        _get(
            "GET http://user:pw@Example.com:8080/a/b?c=d&e#f HTTP/1.1",
            "Host: other",
            "X-Name: one",
            "x-name: two",
            "Proxy-Authorization: Basic secret",
            "Proxy-Connection: keep-alive",
            "Connection: keep-alive, X-Private",
            "X-Private: hop",
            "Keep-Alive: timeout=5",
            "TE: trailers",
            "Upgrade: websocket",
        )
    )
    assert target == Address("Example.com", 8080)
    assert sent == _get(
        "GET /a/b?c=d&e HTTP/1.1",
        "Host: Example.com:8080",
        "X-Name: one",
        "x-name: two",
        "Connection: close",
    )
    assert proxy.granted() == b""
    assert proxy.filters_upload


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
    target, sent, _ = _forwarded(_get(f"{method} {url} HTTP/1.1", "Host: h"))
    assert sent.split(b"\r\n")[0].decode() == line
    assert target.port == 80


def test_http_1_0_stays() -> None:
    _, sent, _ = _forwarded(_get("GET http://h/ HTTP/1.0"))
    assert sent == _get("GET / HTTP/1.0", "Host: h", "Connection: close")


def test_a_body_with_a_length_passes_and_nothing_behind_it() -> None:
    head = _get("POST http://h/ HTTP/1.1", "Host: h", "Content-Length: 10")
    _, sent, proxy = _forwarded(head + b"01234")
    assert sent == (
        _get("POST / HTTP/1.1", "Host: h", "Content-Length: 10", "Connection: close") + b"01234"
    )
    assert proxy.upload(b"567") == b"567"
    assert proxy.upload(b"89GET http://elsewhere/ HTTP/1.1\r\n") == b"89"
    assert proxy.upload(b"Host: elsewhere\r\n\r\n") == b""


def test_a_chunked_body_passes_chunked() -> None:
    head = _get(
        "POST http://h/ HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", "Content-Length: 3"
    )
    _, sent, proxy = _forwarded(head + b"5\r\nhello\r\n")
    assert sent == (
        _get("POST / HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", "Connection: close")
        + b"5\r\nhello\r\n"
    )
    assert proxy.upload(b"3;ext=1\r\nab") == b"2\r\nab\r\n"
    assert proxy.upload(b"c\r\n0\r\nDigest: x\r\n\r\nGET") == b"1\r\nc\r\n0\r\ndigest: x\r\n\r\n"


def test_a_pipelined_request_never_reaches_the_first_host() -> None:
    first = _get("GET http://one/ HTTP/1.1", "Host: one")
    second = _get("GET http://two/ HTTP/1.1", "Host: two")
    target, sent, proxy = _forwarded(first + second)
    assert target == Address("one", 80)
    assert b"two" not in sent
    assert proxy.upload(second) == b""


def test_malformed_chunks() -> None:
    head = _get("POST http://h/ HTTP/1.1", "Host: h", "Transfer-Encoding: chunked")
    _, _, proxy = _forwarded(head)
    with pytest.raises(RemoteError, match="malformed request body"):
        proxy.upload(b"xyz\r\n")
    assert _status(HttpProxy(), head + b"xyz\r\n") == "HTTP/1.1 400 Bad Request"


@pytest.mark.parametrize(
    "request_",
    [
        _get("GET / HTTP/1.1", "Host: h"),
        _get("GET https://h/ HTTP/1.1", "Host: h"),
        _get("GET http:///x HTTP/1.1", "Host: h"),
        _get("GET http://a:b/ HTTP/1.1", "Host: h"),
        b"\x05\x01\x00aaaa\r\n\r\n",
        b"\r\n\r\nnonsense\r\n\r\n",
    ],
)
def test_bad_requests(request_: bytes) -> None:
    assert _status(HttpProxy(), request_) == "HTTP/1.1 400 Bad Request"


def test_a_head_is_bounded() -> None:
    proxy = HttpProxy()
    assert proxy.receive(b"GET http://h/ HTTP/1.1\r\n") == []
    assert _status(proxy, b"X: " + b"x" * 70000) == "HTTP/1.1 400 Bad Request"


# --- credentials ---


def _basic(pair: str, scheme: str = "Basic") -> str:
    return f"Proxy-Authorization: {scheme} {base64.b64encode(pair.encode()).decode()}"


@pytest.mark.parametrize("header", [_basic("user:pa:ss"), _basic("user:pa:ss", "basic")])
def test_right_credentials(header: str) -> None:
    proxy = HttpProxy(Credentials("user", "pa:ss"))
    assert proxy.receive(_get("CONNECT a:1 HTTP/1.1", "Host: a", header)) == [
        ConnectTo(Address("a", 1))
    ]


@pytest.mark.parametrize(
    "header",
    [
        "X: y",
        _basic("user:pa"),
        _basic("user"),
        _basic("user:pa:ss", "Bearer"),
        "Proxy-Authorization: Basic %%%",
        "Proxy-Authorization: Basic",
    ],
)
def test_wrong_credentials(header: str) -> None:
    proxy = HttpProxy(Credentials("user", "pa:ss"))
    reply, reject = proxy.receive(_get("GET http://a/ HTTP/1.1", "Host: a", header))
    assert isinstance(reply, Reply)
    lines = bytes(reply.data).decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 407 Proxy Authentication Required"
    assert 'Proxy-Authenticate: Basic realm="blinktun", charset="UTF-8"' in lines
    assert reject == Reject("wrong or no credentials")


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Refusal.FAILED, "502"),
        (Refusal.NOT_ALLOWED, "403"),
        (Refusal.HOST_UNREACHABLE, "502"),
        (Refusal.CONNECTION_REFUSED, "502"),
        (Refusal.TIMED_OUT, "504"),
    ],
)
def test_refusals(reason: Refusal, status: str) -> None:
    assert HttpProxy().refused(reason).decode().split(" ")[1] == status
