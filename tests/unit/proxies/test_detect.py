from __future__ import annotations

import pytest

from blinktun.address import Address
from blinktun.config.model import BlinksocksClient, Inbound, ServerLink
from blinktun.effects import ConnectTo, Reject, Reply
from blinktun.errors import ConfigError
from blinktun.proxies.base import Refusal
from blinktun.proxies.detect import Socks, handshake_maker
from blinktun.proxies.forward import FixedForward
from blinktun.proxies.http import HttpProxy

LINK = ServerLink("tcp", Address("127.0.0.1", 1), "key")
HERE = Address("127.0.0.1", 1080)


@pytest.mark.parametrize(
    ("inbound", "kind"),
    [(Inbound.SOCKS, Socks), (Inbound.HTTP, HttpProxy), (Inbound.TCP, FixedForward)],
)
def test_a_handshake_for_each_inbound(inbound: Inbound, kind: type) -> None:
    make = handshake_maker(BlinksocksClient(inbound, HERE, LINK, forward=Address("a", 1)))
    assert isinstance(make(), kind)
    assert make() is not make()


def test_tcp_needs_a_target() -> None:
    with pytest.raises(ConfigError, match="add \\?forward="):
        handshake_maker(BlinksocksClient(Inbound.TCP, HERE, LINK))


def test_the_first_byte_decides() -> None:
    assert Socks().receive(b"\x05\x01\x00") == [Reply(b"\x05\x00")]
    assert Socks().receive(b"G") == [Reject("not SOCKS")]
    socks = Socks()
    assert socks.granted() == socks.refused(Refusal.FAILED) == socks.take_early() == b""
    request = b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00"
    assert socks.receive(request[:1]) == []
    assert socks.receive(request[1:] + b"early") == [ConnectTo(Address("127.0.0.1", 80))]
    assert socks.granted()[1] == 0x5A
    assert socks.refused(Refusal.FAILED)[1] == 0x5B
    assert socks.take_early() == b"early"
