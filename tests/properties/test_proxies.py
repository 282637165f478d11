"""Chunking never matters to a handshake, and hostile bytes end in a rejection or in nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinktun.config.model import Credentials
from blinktun.effects import ConnectTo, Reject, Reply
from blinktun.proxies.base import Associate
from blinktun.proxies.detect import Detect, Speaks
from blinktun.proxies.http import HttpProxy
from blinktun.proxies.http_exchange import Exchange
from blinktun.testing.pair import split

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.proxies.base import Demand, Handshake

USER = Credentials("user", "pass")
CONVERSATIONS: dict[str, tuple[Callable[[], Handshake], bytes]] = {
    "socks5": (Detect, b"\x05\x01\x00" + b"\x05\x01\x00\x03\x0bexample.com\x01\xbb" + b"early"),
    "socks5 login": (
        lambda: Detect(USER),
        b"\x05\x02\x00\x02\x01\x04user\x04pass\x05\x01\x00\x04" + bytes(16) + b"\x01\xbbearly",
    ),
    "socks5 bind": (Detect, b"\x05\x01\x00" + b"\x05\x02\x00\x01\x7f\x00\x00\x01\x01\xbb"),
    "socks4": (Detect, b"\x04\x01\x01\xbb\x7f\x00\x00\x01user\x00early"),
    "socks4a": (Detect, b"\x04\x01\x01\xbb\x00\x00\x00\x01user\x00example.com\x00early"),
    "auto": (
        lambda: Detect(speaks=Speaks.BOTH),
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\nearly",
    ),
    "connect": (HttpProxy, b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\nearly"),
    "407": (lambda: HttpProxy(USER), b"GET http://example.com/ HTTP/1.1\r\nHost: x\r\n\r\n"),
}
cuts = st.lists(st.integers(0, 120), max_size=20)


@pytest.mark.parametrize("name", CONVERSATIONS)
@given(places=cuts)
def test_any_split_gives_the_same(name: str, places: list[int]) -> None:
    make, data = CONVERSATIONS[name]
    assert _play(make(), split(data, places)) == _play(make(), [data])


@pytest.mark.parametrize(
    "make",
    [
        Detect,
        lambda: Detect(USER),
        lambda: Detect(USER, speaks=Speaks.BOTH),
        HttpProxy,
        lambda: HttpProxy(USER),
    ],
)
@given(
    data=st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=100).map(lambda rest: b"\x05\x01\x00\x05\x01\x00" + rest),
        st.binary(max_size=100).map(lambda rest: b"\x04\x01" + rest),
        st.text(max_size=100).map(lambda rest: b"GET http://" + rest.encode() + b"\r\n\r\n"),
        st.text(max_size=100).map(lambda rest: b"CONNECT " + rest.encode() + b" HTTP/1.0\r\n\r\n"),
    ),
    places=cuts,
)
def test_hostile_bytes(make: Callable[[], Handshake], data: bytes, places: list[int]) -> None:
    effects, _ = _play(make(), split(data, places))
    ends = (ConnectTo, Associate, Exchange, Reject)
    assert sum(isinstance(effect, ends) for effect in effects) <= 1


def _play(handshake: Handshake, pieces: list[bytes]) -> tuple[list[Demand], bytes]:
    """Play a conversation; return what was asked for and what goes to the target."""
    effects: list[Demand] = []
    upload = b""
    for piece in pieces:
        if effects and isinstance(effects[-1], (Associate, Exchange, Reject)):
            break
        if effects and isinstance(effects[-1], ConnectTo):
            upload += piece
            continue
        effects += handshake.receive(piece)
        if effects and isinstance(effects[-1], ConnectTo):
            upload += handshake.take_early()
    known = (Reply, ConnectTo, Associate, Exchange, Reject)
    assert all(isinstance(effect, known) for effect in effects)
    return effects, upload
