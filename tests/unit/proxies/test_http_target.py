from __future__ import annotations

import pytest

from blinktun.address import Address
from blinktun.errors import RemoteError
from blinktun.proxies.http_head import Request
from blinktun.proxies.http_target import RequestTarget, parse_authority, parse_target


def _request(url: bytes, method: bytes = b"GET") -> Request:
    return Request(1, [], method, url)


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "path"),
    [
        (b"http://h", "h", 80, b"h", b"/"),
        (b"http://h/", "h", 80, b"h", b"/"),
        (b"http://h?q", "h", 80, b"h", b"/?q"),
        (b"http://h#f", "h", 80, b"h", b"/"),
        (b"http://h/a#f?x", "h", 80, b"h", b"/a"),
        (b"HTTP://H:81/a?b=http://c/", "H", 81, b"H:81", b"/a?b=http://c/"),
        (b"http://h:/", "h", 80, b"h", b"/"),
        (b"http://h:80/", "h", 80, b"h:80", b"/"),
        (b"http://[::1]/x", "::1", 80, b"[::1]", b"/x"),
        (b"http://[0::0:1]:8/x", "::1", 8, b"[0::0:1]:8", b"/x"),
        (b"http://user:p@ss@h/x@y", "h", 80, b"h", b"/x@y"),
        (b"http://a_b.c/", "a_b.c", 80, b"a_b.c", b"/"),
        (b"ws://h/chat", "h", 80, b"h", b"/chat"),
        (b"WS://h:8080", "h", 8080, b"h:8080", b"/"),
        (b"http://h/caf\xe9?\xff", "h", 80, b"h", b"/caf%E9?%FF"),
        ("http://h/测?ü".encode(), "h", 80, b"h", b"/%E6%B5%8B?%C3%BC"),
        ("http://bücher.example/".encode(), "xn--bcher-kva.example", 80, None, b"/"),
        ("http://bücher.example:81/".encode(), "xn--bcher-kva.example", 81, None, b"/"),
        (b"http://h/a|b\\c\"<>^`{}[]'", "h", 80, b"h", b"/a|b\\c\"<>^`{}[]'"),
        (b"http://h//x//", "h", 80, b"h", b"//x//"),
    ],
)
def test_urls(url: bytes, host: str, port: int, authority: bytes | None, path: bytes) -> None:
    if authority is None:
        authority = host.encode() if port == 80 else f"{host}:{port}".encode()
    assert parse_target(_request(url)) == RequestTarget(Address(host, port), authority, path)


def test_options_for_the_whole_server() -> None:
    assert parse_target(_request(b"http://h", b"OPTIONS")).path == b"*"
    assert parse_target(_request(b"http://h/", b"OPTIONS")).path == b"/"
    assert parse_target(_request(b"http://h?q", b"OPTIONS")).path == b"/?q"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (b"/", "this is an HTTP proxy"),
        (b"*", "this is an HTTP proxy"),
        (b"h:80", "this is an HTTP proxy"),
        (b"http:/h/", "this is an HTTP proxy"),
        (b"http://", "this is an HTTP proxy"),
        (b"http:///x", "this is an HTTP proxy"),
        (b"http://good\\@evil/", "this is an HTTP proxy"),
        (b"https://h/", "need CONNECT"),
        (b"WSS://h/", "need CONNECT"),
        (b"ftp://h/", "only http:// and ws://"),
        (b"http://u:p@/", "neither a name nor an address"),
        (b"http://:80/", "neither a name nor an address"),
        (b"http://a b/", "neither a name nor an address"),
        (b"http://a%41/", "neither a name nor an address"),
        (b"http://a:b/", "host:port"),
        (b"http://a:65536/", "host:port"),
        (b"http://a:-1/", "host:port"),
        (b"http://a:+1/", "host:port"),
        (b"http://[::1/", "host:port"),
        (b"http://::1/", "host:port"),
        (b"http://[fe80::1%25lo]/", "neither a name nor an address"),
        (b"http://h\xff/", "host:port"),
    ],
)
def test_urls_of_nobody(url: bytes, why: str) -> None:
    with pytest.raises(RemoteError, match=why):
        parse_target(_request(url))


def test_authorities() -> None:
    assert parse_authority(b"[::1]:80", default_port=1) == Address("::1", 80)
    assert parse_authority(b"h", default_port=443) == Address("h", 443)


def test_the_reason_holds_no_password() -> None:
    with pytest.raises(RemoteError) as caught:
        parse_authority(b"user:secret@h", default_port=443)
    assert "secret" not in str(caught.value)
