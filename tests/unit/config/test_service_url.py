"""Service URLs by the rules of the WHATWG."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinktun.address import Address
from blinktun.config.model import Credentials
from blinktun.config.service_url import parse_endpoint, parse_service_url


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "path"),
    [
        ("ws://EXAMPLE.com:80/Path?x=1#y", "ws", "example.com", 80, "/Path"),
        ("h2://a", "h2", "a", 443, ""),
        ("tcp://127.1:80", "tcp", "127.1", 80, ""),
        ("http://localhost", "http", "localhost", 80, "/"),
        ("https://localhost", "https", "localhost", 443, "/"),
        ("wss://h", "wss", "h", 443, "/"),
        ("http://127.1:81", "http", "127.0.0.1", 81, "/"),
        ("http://0x7f000001", "http", "127.0.0.1", 80, "/"),
        ("http://bücher.example", "http", "xn--bcher-kva.example", 80, "/"),
        ("SOCKS5://Host:1080", "socks5", "Host", 1080, ""),
        ("tcp://[::1]:1", "tcp", "::1", 1, ""),
        ("tcp://[2001:DB8:0::1]:65535", "tcp", "2001:db8::1", 65535, ""),
        (" tcp://h:1 \n", "tcp", "h", 1, ""),
        ("tcp://h:00080/", "tcp", "h", 80, "/"),
        ("ws://h/a b".replace(" ", "%20"), "ws", "h", 80, "/a%20b"),
    ],
)
def test_good(url: str, scheme: str, host: str, port: int, path: str) -> None:
    parsed = parse_service_url(url)
    assert (parsed.scheme, parsed.address, parsed.path) == (scheme, Address(host, port), path)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "form"),
        ("127.0.0.1:1080", "form"),
        ("tcp:h:1", "form"),
        ("tcp://h :1", "form"),
        ("tcp://h", "no port"),
        ("tcp://h:", "no port"),
        ("socks5://:1080", "no host"),
        ("tcp://", "no host|no port"),
        ("tcp://h:0", "port outside"),
        ("tcp://h:65536", "port outside"),
        ("tcp://h:1x", "port outside"),
        ("tcp://h:²", "port outside"),
        ("tcp://h:" + "9" * 400, "port outside"),
        ("tcp://::1:1", "IPv6 needs brackets"),
        ("tcp://[::g]:1", "no IPv6 address"),
        ("tcp://a_b:1", "neither a name"),
        ("tcp://-a:1", "neither a name"),
        ("tcp://a.:1", "neither a name"),
        ("tcp://bücher:1", "neither a name"),
        (f"tcp://{'a' * 64}:1", "neither a name"),
        (f"tcp://{'a.' * 127}a:1", "neither a name"),
        ("http://1.2.3.256:1", "no IPv4 address"),
        ("http://%ff:1", "no name"),
    ],
)
def test_bad(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_service_url(url)


def test_forward() -> None:
    params = parse_service_url("tcp://h:1?forward=127.0.0.1:80&forward=x").params
    assert parse_endpoint(params["forward"]) == Address("127.0.0.1", 80)
    assert parse_endpoint("[::1]:80") == Address("::1", 80)
    with pytest.raises(ValueError, match="no port"):
        parse_endpoint("h")


@pytest.mark.parametrize(
    ("userinfo", "expected"),
    [
        ("us%40er:p%3ass", Credentials("us@er", "p:ss".replace(":ss", ":ss"), "us%40er", "p%3ass")),
        ("a^b:c|d", Credentials("a^b", "c|d", "a%5Eb", "c%7Cd")),
        ("a:b:c", Credentials("a", "b:c", "a", "b%3Ac")),
        ("a@b:c", Credentials("a@b", "c", "a%40b", "c")),
        ("user:", None),
        (":password", None),
        ("user", None),
        ("", None),
    ],
)
def test_credentials_in_both_forms(userinfo: str, expected: Credentials | None) -> None:
    assert parse_service_url(f"socks5://{userinfo}@h:1").credentials == expected


def test_credentials_accept_either_form_and_nothing_else() -> None:
    credentials = parse_service_url("socks5://us%40er:p%3ass@h:1").credentials
    assert credentials is not None
    assert credentials.accepts("us@er", "p:ss")
    assert credentials.accepts("us%40er", "p%3ass")
    assert not credentials.accepts("us@er", "p%3ass")
    assert not credentials.accepts("us@er", "")
    assert not credentials.accepts("us@erp", ":ss")
    assert not credentials.accepts("\udcff", "p:ss")
    assert "p:ss" not in repr(credentials)
    assert "p%3ass" not in repr(credentials)
    assert Credentials("a", "b").accepts("a", "b")


@given(st.text(alphabet="tcpsokh5:/@[]?#.%:0123456789aü-_ ", max_size=40), st.booleans())
def test_any_text_is_a_url_or_a_value_error(text: str, prefixed: bool) -> None:
    try:
        parsed = parse_service_url(f"tcp://{text}" if prefixed else text)
    except ValueError:
        return
    assert 1 <= parsed.address.port <= 65535
    assert parsed.address.host
