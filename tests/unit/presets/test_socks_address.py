from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinktun.address import Address
from blinktun.errors import LocalError, RemoteError
from blinktun.presets.socks_address import pack, parse_host, unpack

FORMS = [
    (Address("127.0.0.1", 80), "017f0000010050"),
    (Address("2001:db8::1", 443), "0420010db800000000000000000000000101bb"),
    (Address("example.com", 65535), "030b6578616d706c652e636f6dffff"),
    (Address("a", 1), "0301610001"),
]


@pytest.mark.parametrize(("target", "wire"), FORMS)
def test_both_ways(target: Address, wire: str) -> None:
    data = bytes.fromhex(wire)
    assert pack(target) == data
    assert unpack(data + b"payload") == (target, len(data))
    for end in range(len(data)):
        assert unpack(data[:end]) is None


def test_a_name_beyond_ascii_travels_in_idna() -> None:
    assert pack(Address("bücher.example", 1))[2:-2] == b"xn--bcher-kva.example"


@pytest.mark.parametrize("host", ["", "a" * 256, "ü" * 64])
def test_a_host_that_does_not_fit(host: str) -> None:
    with pytest.raises(LocalError):
        pack(Address(host, 1))


@pytest.mark.parametrize("atyp", [0, 2, 5, 255])
def test_unknown_address_type(atyp: int) -> None:
    with pytest.raises(RemoteError, match=f"address type {atyp} "):
        unpack(bytes((atyp,)))


@pytest.mark.parametrize(
    ("raw", "host"),
    [
        (b"example.com", "example.com"),
        (b"under_score.example.", "under_score.example."),
        (b"127.0.0.1", "127.0.0.1"),
        (b"2001:DB8:0::1", "2001:db8::1"),
        ("bücher.example".encode(), "xn--bcher-kva.example"),
    ],
)
def test_hosts_that_are_taken(raw: bytes, host: str) -> None:
    assert parse_host(raw) == host


@pytest.mark.parametrize(
    "raw",
    [b"", b".", b"a..b", b"a b", b"a\0b", b"a" * 64, b"a." * 126 + b"aa", b"\xff", b"a:b", b"a\n"],
)
def test_hosts_that_are_not(raw: bytes) -> None:
    with pytest.raises(RemoteError):
        parse_host(raw)
    with pytest.raises(RemoteError):
        unpack(bytes((3, len(raw))) + raw + b"\0\x50")


@pytest.mark.parametrize(
    "raw", [b"::1%", b"::1%lo", b"fe80::1%eth0", b"::1%\n2026-01-01 forged", b"::1%\x1b[2J"]
)
def test_a_peer_chooses_no_scope(raw: bytes) -> None:
    with pytest.raises(RemoteError, match="neither a name nor an address"):
        parse_host(raw)


@given(st.binary(max_size=60))
def test_whatever_is_taken_is_printable(raw: bytes) -> None:
    for text in (raw, b"::1%" + raw, b"a" + raw):
        try:
            host = parse_host(text)
        except RemoteError:
            continue
        assert host.isprintable()
        assert "%" not in host
