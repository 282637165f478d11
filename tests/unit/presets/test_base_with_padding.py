from __future__ import annotations

import hashlib

import pytest

from blinktun.address import Address
from blinktun.effects import ConnectTo, Forward, Reject
from blinktun.errors import ConfigError
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.base_with_padding import BaseWithPadding

TARGET = Address("example.com", 80)
HEADER = b"\x0b" + hashlib.sha256(b"salt").digest()[:15] + b"example.com\0P"


def _make(role: Role) -> BaseWithPadding:
    preset = BaseWithPadding.configure({"salt": "salt"})(PresetContext(role, "key"))
    assert isinstance(preset, BaseWithPadding)
    return preset


def test_the_header_travels_with_the_first_bytes() -> None:
    client = _make(Role.CLIENT)
    client.set_target(TARGET)
    assert client.encode(b"") == ()
    assert client.encode(b"one") == (Forward(HEADER + b"one"),)
    assert client.encode(b"two") == (Forward(b"two"),)
    assert client.decode(b"answer") == (Forward(b"answer"),)


def test_a_server_takes_it_wherever_it_is_cut() -> None:
    for cut in range(1, len(HEADER)):
        server = _make(Role.SERVER)
        assert server.decode(HEADER[:cut]) == ()
        assert server.decode_eof() == (Reject("ended inside the address"),)
        assert server.decode(HEADER[cut:] + b"one") == (ConnectTo(TARGET), Forward(b"one"))
        assert server.decode(b"two") == (Forward(b"two"),)
        assert server.decode_eof() == ()
    assert _make(Role.SERVER).decode(HEADER) == (ConnectTo(TARGET),)
    assert _make(Role.SERVER).encode(b"x") == (Forward(b"x"),)


def test_other_bytes_are_refused_at_once() -> None:
    refusal = Reject("the padding of the address does not fit")
    assert _make(Role.SERVER).decode(b"\x0bx") == (refusal,)
    assert _make(Role.SERVER).decode(HEADER[:-3] + b" \0P") == (
        Reject("the host is neither a name nor an address"),
    )


def test_there_is_no_form_for_datagrams_nor_for_lone_headers() -> None:
    assert not BaseWithPadding.carries_datagrams
    assert not BaseWithPadding.sends_lone_header


def test_a_salt_is_required() -> None:
    for params in ({}, {"salt": ""}, {"salt": 1}, {"salt": "\ud800"}):
        with pytest.raises(ConfigError):
            BaseWithPadding.configure(params)
