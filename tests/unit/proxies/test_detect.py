from __future__ import annotations

import pytest

from blinktun.address import Address
from blinktun.config.model import BlinksocksClient, Credentials, Inbound, ServerLink
from blinktun.effects import ConnectTo, Reject, Reply
from blinktun.errors import ConfigError
from blinktun.proxies.base import Refusal
from blinktun.proxies.detect import Detect, handshake_maker
from blinktun.proxies.forward import FixedForward
from blinktun.proxies.http import HttpProxy
from blinktun.proxies.http_exchange import Exchange, Origin

LINK = ServerLink("tcp", Address("127.0.0.1", 1), "key")
USER = Credentials("u", "p")
HERE = Address("127.0.0.1", 1080)


@pytest.mark.parametrize(
    ("inbound", "kind"),
    [
        (Inbound.SOCKS, Detect),
        (Inbound.HTTP, HttpProxy),
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
    assert Detect().receive(b"G") == [Reject("not SOCKS")]
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
    assert make().receive(b"\x16\x03\x01") == [Reject("neither SOCKS nor HTTP")]


def test_requests_go_on_where_both_are_spoken() -> None:
    both = Detect(http=True)
    request = b"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n"
    (exchange,) = both.receive(request + request)
    assert isinstance(exchange, Exchange)
    exchange.begin(Origin())
    exchange.download(b"HTTP/1.1 204 None\r\n\r\n")
    assert isinstance(both.start()[0], Exchange)
