from __future__ import annotations

import pytest

from blinktun.address import Address
from blinktun.config.model import BlinksocksClient, Credentials, Inbound, ServerLink
from blinktun.effects import ConnectTo, Reject, Reply
from blinktun.errors import ConfigError
from blinktun.proxies.detect import Detect, Speaks, handshake_maker
from blinktun.proxies.forward import FixedForward
from blinktun.proxies.http_exchange import Exchange, Origin
from blinktun.proxies.refusal import Refusal

LINK = ServerLink("tcp", Address("127.0.0.1", 1), "key")
USER = Credentials("u", "p")
HERE = Address("127.0.0.1", 1080)


@pytest.mark.parametrize(
    ("inbound", "kind"),
    [
        (Inbound.SOCKS, Detect),
        (Inbound.HTTP, Detect),
        (Inbound.TCP, FixedForward),
        (Inbound.AUTO, Detect),
    ],
)
def test_a_handshake_for_each_inbound(inbound: Inbound, kind: type) -> None:
    make = handshake_maker(BlinksocksClient(inbound, HERE, LINK, forward=Address("a", 1)))
    assert isinstance(make(), kind)
    assert make() is not make()


def test_tcp_needs_a_target() -> None:
    with pytest.raises(ConfigError, match="add \\?forward="):
        handshake_maker(BlinksocksClient(Inbound.TCP, HERE, LINK))


def test_the_first_byte_decides() -> None:
    assert Detect().receive(b"\x05\x01\x00") == [Reply(b"\x05\x00")]
    socks = Detect()
    assert socks.granted() == socks.refused(Refusal.FAILED) == socks.take_early() == b""
    request = b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00"
    assert socks.receive(request[:1]) == []
    assert socks.receive(request[1:] + b"early") == [ConnectTo(Address("127.0.0.1", 80))]
    assert socks.granted()[1] == 0x5A
    assert socks.refused(Refusal.FAILED)[1] == 0x5B
    assert socks.take_early() == b"early"


def test_http_is_known_by_a_letter_where_it_is_spoken() -> None:
    make = handshake_maker(BlinksocksClient(Inbound.AUTO, HERE, LINK, credentials=USER))
    login = "Proxy-Authorization: Basic dTpw\r\n"
    both = make()
    assert both.start() == []
    assert both.receive(b"C") == []
    request = f"ONNECT a:1 HTTP/1.1\r\nHost: a\r\n{login}\r\nearly"
    assert both.receive(request.encode()) == [ConnectTo(Address("a", 1))]
    assert both.granted().startswith(b"HTTP/1.1 200 ")
    assert both.take_early() == b"early"
    (reply,) = make().receive(b"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n")
    assert isinstance(reply, Reply)
    assert bytes(reply.data).startswith(b"HTTP/1.1 407 ")
    assert make().receive(b"\x05\x01\x00") == [
        Reply(b"\x05\xff"),
        Reject("no acceptable authentication method offered"),
    ]
    assert make().receive(b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00") == [
        Reply(b"\x00\x5b" + bytes(6)),
        Reject("SOCKS4 without a password is not offered"),
    ]


@pytest.mark.parametrize(
    ("inbound", "first", "replies", "log"),
    [
        (Inbound.HTTP, b"\x05\x01\x00", b"\x05\xff", "SOCKS5, but this port speaks HTTP"),
        (Inbound.HTTP, b"\x04\x01\x00", b"\x00\x5b", "SOCKS4, but this port speaks HTTP"),
        (Inbound.HTTP, b"\x16\x03\x01", b"", "TLS, but this port speaks HTTP without TLS"),
        (Inbound.SOCKS, b"\x16\x03\x01", b"", "TLS, but this port speaks SOCKS without TLS"),
        (Inbound.AUTO, b"\x16", b"", "TLS, but this port speaks SOCKS and HTTP without TLS"),
        (Inbound.AUTO, b"\x00", b"", "unknown protocol: this port speaks SOCKS and HTTP"),
        (Inbound.SOCKS, b"G", b"HTTP/1.1 400 ", "HTTP, but this port speaks SOCKS"),
        (Inbound.SOCKS, b"connect", b"HTTP/1.1 400 ", "HTTP, but this port speaks SOCKS"),
        (Inbound.SOCKS, b"\r\n", b"HTTP/1.1 400 ", "HTTP, but this port speaks SOCKS"),
    ],
)
def test_an_application_at_the_wrong_port_is_told(
    inbound: Inbound, first: bytes, replies: bytes, log: str
) -> None:
    *said, reject = handshake_maker(BlinksocksClient(inbound, HERE, LINK))().receive(first)
    assert reject == Reject(log)
    assert [isinstance(demand, Reply) for demand in said] == [True] * bool(replies)
    for demand in said:
        assert isinstance(demand, Reply)
        assert bytes(demand.data).startswith(replies)


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        (HERE, b"socks5h://127.0.0.1:1080 "),
        (Address("::1", 7), b"socks5h://[::1]:7 "),
        (Address("localhost", 7), b"socks5h://localhost:7 "),
        (Address("0.0.0.0", 7), b"socks5h://HOST:7 "),
        (Address("::", 7), b"socks5h://HOST:7 "),
        (Address("", 7), b"socks5h://HOST:7 "),
    ],
)
def test_a_browser_at_a_socks_port_reads_what_to_do(listen: Address, url: bytes) -> None:
    make = handshake_maker(BlinksocksClient(Inbound.SOCKS, listen, LINK))
    page, _ = make().receive(b"GET http://h/ HTTP/1.1\r\n\r\n")
    assert isinstance(page, Reply)
    head, _, text = bytes(page.data).partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert text == b"this port speaks SOCKS5: curl -x " + url + b"...\n"


def test_empty_lines_before_a_request_are_http() -> None:
    for speaks in (Speaks.HTTP, Speaks.BOTH):
        (exchange,) = Detect(speaks=speaks).receive(b"\r\nGET http://h/ HTTP/1.1\r\n\r\n")
        assert isinstance(exchange, Exchange)


def test_requests_go_on_where_both_are_spoken() -> None:
    both = Detect(speaks=Speaks.BOTH)
    request = b"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n"
    (exchange,) = both.receive(request + request)
    assert isinstance(exchange, Exchange)
    exchange.begin(Origin())
    exchange.download(b"HTTP/1.1 204 None\r\n\r\n")
    assert isinstance(both.start()[0], Exchange)


@pytest.mark.parametrize("scheme", ["socks4", "socks4a"])
def test_a_service_that_asks_for_socks4_by_name_gets_it(scheme: str) -> None:
    config = BlinksocksClient(Inbound.SOCKS, HERE, LINK, credentials=USER, written_scheme=scheme)
    make = handshake_maker(config)
    assert make().receive(b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00") == [
        ConnectTo(Address("127.0.0.1", 80))
    ]
    assert make().receive(b"\x05\x01\x00")[0] == Reply(b"\x05\xff")
