from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from blinktun.address import Address
from blinktun.config.model import Credentials
from blinktun.effects import ConnectTo, Reject, Reply
from blinktun.proxies.http import HttpProxy
from blinktun.proxies.http_exchange import Exchange, Origin
from blinktun.proxies.refusal import Refusal

if TYPE_CHECKING:
    from blinktun.proxies.base import Demand


def _get(line: str, *headers: str) -> bytes:
    return "\r\n".join((line, *headers, "", "")).encode()


def _status(demand: Demand) -> str:
    assert isinstance(demand, Reply)
    return bytes(demand.data).split(b"\r\n")[0].decode().removeprefix("HTTP/1.1 ")


def _lasts(demand: Demand) -> bool:
    assert isinstance(demand, Reply)
    return b"Connection: close" not in bytes(demand.data)


def _refused(request: bytes, proxy: HttpProxy | None = None) -> str:
    """The status of an answer that ends the connection."""
    reply, reject = (proxy or HttpProxy()).receive(request)
    assert isinstance(reject, Reject)
    assert not _lasts(reply)
    return _status(reply)


def _answered(request: bytes, proxy: HttpProxy | None = None) -> str:
    """The status of an answer after which the next request may come."""
    (reply,) = (proxy or HttpProxy()).receive(request)
    assert _lasts(reply)
    return _status(reply)


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


@pytest.mark.parametrize("authority", ["a:99999", "a:", ":80", "::1:80", "a:x", "a_b/:80", "[::1"])
def test_connect_to_nowhere(authority: str) -> None:
    request = _get(f"CONNECT {authority} HTTP/1.1", "Host: x")
    if authority == "a:":
        assert HttpProxy().receive(request) == [ConnectTo(Address("a", 443))]
    else:
        assert _answered(request) == "400 Bad Request"


# --- requests ---


@pytest.mark.parametrize(
    "request_",
    [
        _get("GET / HTTP/1.1", "Host: h"),
        _get("GET https://h/ HTTP/1.1", "Host: h"),
        _get("GET http:///x HTTP/1.1", "Host: h"),
        _get("GET http://a:b/ HTTP/1.1", "Host: h"),
    ],
)
def test_requests_for_nobody_leave_the_connection_open(request_: bytes) -> None:
    proxy = HttpProxy()
    assert _answered(request_, proxy) == "400 Bad Request"
    (exchange,) = proxy.receive(_get("GET http://h/ HTTP/1.1", "Host: h"))
    assert isinstance(exchange, Exchange)
    assert exchange.target == Address("h", 80)


TE, CL = "Transfer-Encoding: chunked", "Content-Length: 5"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x05\x01\x00aaaa\r\n\r\n", "400"),
        (b"\r\n\r\nnonsense\r\n\r\n", "400"),
        (_get("GET http://h/ HTTP/1.1", "Host: a", "Host: b"), "400"),
        (_get("GET http://h/ HTTP/2.0", "Host: h"), "505"),
        (_get("POST http://h/ HTTP/1.1", "Host: h", TE, CL), "400"),
        (_get("POST http://h/ HTTP/1.1", "Host: h", CL, TE), "400"),
        (_get("POST http://h/ HTTP/1.0", "Host: h", TE), "400"),
        (_get("POST http://h/ HTTP/1.1", "Host: h", CL, "Content-Length: 6"), "400"),
        (_get("POST http://h/ HTTP/1.1", "Host: h", "Content-Length: +5"), "400"),
        (_get("POST http://h/ HTTP/1.1", "Host: h", "Content-Length : 5"), "400"),
        (_get("POST http://h/ HTTP/1.1", "Host: h", TE, TE), "501"),
        (_get("POST http://h/ HTTP/1.1", "Host: h", "Transfer-Encoding: xchunked"), "501"),
        (_get("POST http://h/ HTTP/1.1", "Host: h", "X: a\rY: b"), "400"),
        (_get("GET http://h/ HTTP/1.1", " folded", "Host: h"), "400"),
    ],
)
def test_what_leaves_no_way_to_the_next_request(request_: bytes, status: str) -> None:
    assert _refused(request_).split(" ")[0] == status


@pytest.mark.parametrize("size", [1, 1000, 70_000])
def test_a_head_is_bounded_however_it_comes(size: int) -> None:
    request = _get("GET http://h/ HTTP/1.1", "Host: h", "X: " + "x" * 65_500)
    assert len(request) > 65_536
    proxy = HttpProxy()
    demands: list[Demand] = []
    for at in range(0, len(request), size):
        demands += proxy.receive(request[at : at + size])
        if demands:
            break
    assert _status(demands[0]) == "431 Request Header Fields Too Large"


def test_a_head_at_the_bound_passes_behind_another_request() -> None:
    proxy = HttpProxy()
    empty = _get("GET http://h/ HTTP/1.1", "Host: h", "X: ")
    long = empty.replace(b"X: ", b"X: " + b"x" * (65_536 - len(empty)))
    first, second = proxy.receive(_get("GET / HTTP/1.1", "Host: h") + long)
    assert _status(first) == "400 Bad Request"
    assert isinstance(second, Exchange)


def test_who_is_refused_again_and_again_is_left() -> None:
    proxy = HttpProxy()
    demands = proxy.receive(_get("GET / HTTP/1.1", "Host: h") * 1000)
    assert len(demands) == 17
    assert [_lasts(demand) for demand in demands[:16]] == [True] * 15 + [False]
    assert isinstance(demands[16], Reject)


def test_a_reason_keeps_the_secrets_of_what_it_is_about() -> None:
    request = _get("GET http://h/ HTTP/1.1", "Host: h", "Proxy-Authorization Basic c2VjcmV0")
    _, reject = HttpProxy().receive(request)
    assert reject == Reject("illegal header line")


def test_connect_after_other_requests() -> None:
    proxy = HttpProxy(Credentials("u", "p"))
    assert _answered(_get("CONNECT a:1 HTTP/1.1", "Host: a"), proxy).startswith("407")
    request = _get("CONNECT a:1 HTTP/1.1", "Host: a", _basic("u:p"))
    assert proxy.receive(request + b"early") == [ConnectTo(Address("a", 1))]
    assert proxy.take_early() == b"early"


def test_nothing_comes_of_nothing() -> None:
    proxy = HttpProxy()
    assert proxy.start() == []
    assert proxy.receive(b"GET ht") == []
    assert proxy.receive(b"tp://h/ HTTP/1.1\r\n") == []


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
    (reply,) = proxy.receive(_get("GET http://a/ HTTP/1.1", "Host: a", header))
    assert isinstance(reply, Reply)
    lines = bytes(reply.data).decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 407 Proxy Authentication Required"
    assert 'Proxy-Authenticate: Basic realm="blinktun", charset="UTF-8"' in lines
    assert "Connection: close" not in lines
    (exchange,) = proxy.receive(_get("GET http://a/ HTTP/1.1", "Host: a", _basic("user:pa:ss")))
    assert isinstance(exchange, Exchange)


def test_each_request_is_asked_for_its_credentials() -> None:
    proxy = HttpProxy(Credentials("u", "p"))
    good = _get("GET http://a/ HTTP/1.1", "Host: a", _basic("u:p"))
    (exchange,) = proxy.receive(good + _get("GET http://a/ HTTP/1.1", "Host: a"))
    assert isinstance(exchange, Exchange)
    exchange.begin(Origin())
    exchange.download(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    (reply,) = proxy.start()
    assert _status(reply) == "407 Proxy Authentication Required"


@pytest.mark.parametrize(
    ("headers", "lasts"),
    [
        (["Content-Length: 5"], True),
        (["Content-Length: 65536"], True),
        (["Content-Length: 65537"], False),
        (["Transfer-Encoding: chunked"], False),
        (["Content-Length: 5", "Expect: 100-continue"], False),
        (["Content-Length: 5", "Connection: close"], False),
    ],
)
def test_a_refused_request_is_skipped_if_it_is_short(headers: list[str], lasts: bool) -> None:
    proxy = HttpProxy(Credentials("u", "p"))
    reply, *rest = proxy.receive(_get("POST http://a/ HTTP/1.1", "Host: a", *headers))
    assert _status(reply).startswith("407")
    assert _lasts(reply) is lasts is not bool(rest)


def test_the_body_of_a_refused_request_is_not_the_next_one() -> None:
    proxy = HttpProxy(Credentials("u", "p"))
    first = _get("POST http://a/ HTTP/1.1", "Host: a", "Content-Length: 9")
    assert _answered(first + b"GET h", proxy).startswith("407")
    next_ = _get("CONNECT a:1 HTTP/1.1", "Host: a", _basic("u:p"))
    assert proxy.receive(b"ttp:" + next_) == [ConnectTo(Address("a", 1))]


def test_head_is_refused_without_a_body() -> None:
    (reply,) = HttpProxy(Credentials("u", "p")).receive(_get("HEAD http://a/ HTTP/1.1", "Host: a"))
    assert isinstance(reply, Reply)
    assert bytes(reply.data).endswith(b"\r\n\r\n")


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
    proxy = HttpProxy()
    proxy.receive(_get("CONNECT a:1 HTTP/1.1", "Host: a"))
    assert _status(Reply(proxy.refused(reason))).split(" ")[0] == status
