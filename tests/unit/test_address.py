from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinktun.address import Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("example.com:80", "example.com", 80),
        ("127.0.0.1:0", "127.0.0.1", 0),
        (":29900", "", 29900),
        ("[::1]:65535", "::1", 65535),
        ("[fe80::1%eth0]:1", "fe80::1%eth0", 1),
        ("  spaces.around:1 ", "spaces.around", 1),
    ],
)
def test_what_can_be_read(text: str, host: str, port: int) -> None:
    assert Address.parse(text) == Address(host, port)


@pytest.mark.parametrize(
    ("text", "host"),
    [("example.com", "example.com"), ("[::1]", "::1"), ("example.com:", "example.com")],
)
def test_a_default_port(text: str, host: str) -> None:
    assert Address.parse(text, default_port=443) == Address(host, 443)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "missing"),
        ("example.com", "missing"),
        ("example.com:http", "'http' is not a port"),
        ("example.com:65536", "'65536' is not a port"),
        ("example.com:-1", "'-1' is not a port"),
        ("example.com:٣", "not a port"),
        ("::1", "brackets"),
        ("::1:80", "brackets"),
        ("[::1:80", "form"),
        ("[::1]80", "form"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Address.parse(text)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_has_bounds(port: int) -> None:
    with pytest.raises(ValueError, match="is not within"):
        Address("host", port)


@given(
    host=st.one_of(st.from_regex(r"[a-z0-9.-]{0,20}", fullmatch=True), st.ip_addresses().map(str)),
    port=st.integers(0, 65535),
)
def test_text_and_back(host: str, port: int) -> None:
    address = Address(host, port)
    assert Address.parse(str(address)) == address


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert 0 <= address.port <= 65535


@pytest.mark.parametrize(
    ("host", "version"), [("127.0.0.1", 4), ("::1", 6), ("fe80::1%eth0", 6), ("localhost", None)]
)
def test_names_and_literals(host: str, version: int | None) -> None:
    ip = Address(host, 1).ip
    assert (ip and ip.version) == version


def test_addresses_are_values() -> None:
    address = Address("host", 1)
    assert {address, Address("host", 1)} == {address}
    with pytest.raises(dataclasses.FrozenInstanceError):
        address.port = 2  # type: ignore[misc]


@pytest.mark.parametrize("scope", ["", "a b", "eth0\n", "\x1b[2J", "a" * 16, "é"])
def test_a_scope_is_the_name_of_an_interface(scope: str) -> None:
    with pytest.raises(ValueError, match="is not the name of an interface"):
        Address(f"fe80::1%{scope}", 1)
