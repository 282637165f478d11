from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinktun.address import Address
from blinktun.errors import RemoteError
from blinktun.proxies.socks5_udp import pack_datagram, unpack_datagram


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.com"])
@pytest.mark.parametrize("payload", [b"", b"x", bytes(1400)])
def test_both_ways(host: str, payload: bytes) -> None:
    address = Address(host, 53)
    data = pack_datagram(address, payload)
    assert data[:3] == b"\0\0\0"
    assert unpack_datagram(data) == (address, payload)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "without the header"),
        (b"\0\1\0\1", "without the header"),
        (b"\0\0\1\1\x7f\0\0\1\0\x50", "fragment"),
        (b"\0\0\0\1\x7f\0\0\1\0", "inside its address"),
        (b"\0\0\0\7\x7f\0\0\1\0\x50", "type 7"),
    ],
)
def test_what_is_none(data: bytes, problem: str) -> None:
    with pytest.raises(RemoteError, match=problem):
        unpack_datagram(data)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    try:
        unpack_datagram(data)
    except RemoteError:
        return
    assert data[:3] == b"\0\0\0"
