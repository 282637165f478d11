from __future__ import annotations

import pytest

from blinktun.address import Address
from blinktun.effects import ConnectTo, Forward, Reject
from blinktun.errors import ConfigError
from blinktun.presets.base import Preset, PresetContext, PresetMaker, Role
from blinktun.presets.base_auth_stream import BaseAuthStream
from blinktun.state.openings import Openings
from blinktun.testing.pair import forwarded

TARGET = Address("example.com", 80)
HEADER_SIZE = 16 + 16 + 1 + len(TARGET.host) + 2


def _maker(method: str = "aes-128-ctr") -> PresetMaker:
    return BaseAuthStream.configure({"method": method})


def _client(make: PresetMaker, key: str = "key") -> Preset:
    client = make(PresetContext(Role.CLIENT, key))
    assert isinstance(client, BaseAuthStream)
    client.set_target(TARGET)
    return client


def _server(make: PresetMaker) -> Preset:
    return make(PresetContext(Role.SERVER, "key"))


@pytest.mark.parametrize("method", ["aes-128-ctr", "aes-256-cfb", "camellia-192-cfb"])
def test_both_directions(method: str) -> None:
    make = _maker(method)
    client, server = _client(make), _server(make)
    assert client.encode(b"") == ()
    wire = forwarded(client.encode(b"one"))
    assert len(wire) == HEADER_SIZE + 3
    assert server.decode(wire) == (ConnectTo(TARGET), Forward(b"one"))
    assert forwarded(server.decode(forwarded(client.encode(b"two")))) == b"two"
    for answer in (b"three", b"four"):
        assert forwarded(client.decode(forwarded(server.encode(answer)))) == answer
    assert client.decode_eof() == server.decode_eof() == ()


def test_a_server_takes_the_header_wherever_it_is_cut() -> None:
    for cut in range(1, HEADER_SIZE):
        make = _maker()
        wire = forwarded(_client(make).encode(b"payload"))
        server = _server(make)
        assert server.decode(wire[:cut]) == ()
        assert server.decode_eof() == (Reject("ended inside the address"),)
        assert server.decode(wire[cut:]) == (ConnectTo(TARGET), Forward(b"payload"))


def test_a_large_first_chunk_is_not_cut() -> None:
    make, payload = _maker(), bytes(range(256)) * 1000
    wire = forwarded(_client(make).encode(payload))
    assert _server(make).decode(wire) == (ConnectTo(TARGET), Forward(payload))


def test_another_key_and_changed_addresses_are_refused() -> None:
    make = _maker()
    refusal = (Reject("the signature of the address does not fit"),)
    wire = forwarded(_client(make, "other").encode(bytes(300)))
    assert _server(make).decode(wire) == refusal
    wire = forwarded(_client(make).encode(bytes(300)))
    changed = wire[:40] + bytes((wire[40] ^ 1,)) + wire[41:]
    assert _server(make).decode(changed) == refusal


def test_a_recorded_connection_is_refused() -> None:
    make = _maker()
    wire = forwarded(_client(make).encode(b"x"))
    context = PresetContext(Role.SERVER, "key", replays=Openings("off", "test", b""))
    make(context).decode(wire)
    assert make(context).decode(wire) == (Reject("the IV was used by an earlier connection"),)


def test_a_server_waits_for_its_client() -> None:
    assert _server(_maker()).encode(b"x") == (Reject("a server cannot speak before its client"),)


def test_there_is_no_form_for_datagrams_nor_for_lone_headers() -> None:
    assert not BaseAuthStream.carries_datagrams
    assert not BaseAuthStream.sends_lone_header


def test_methods() -> None:
    for method in (None, "rc4-md5", "none", "chacha20-ietf"):
        with pytest.raises(ConfigError):
            BaseAuthStream.configure({"method": method})
