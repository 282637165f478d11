from __future__ import annotations

import pytest

from blinktun.address import Address
from blinktun.effects import ConnectTo, Forward, Reject
from blinktun.errors import ConfigError, LocalError, RemoteError
from blinktun.presets.base import Preset, PresetContext, Role
from blinktun.presets.base_auth import BaseAuth

TARGET = Address("example.com", 443)
HEADER_SIZE = 1 + len(TARGET.host) + 2 + 20


def _make(role: Role, *, key: str = "key", target: Address = TARGET) -> BaseAuth:
    preset = BaseAuth.configure({})(PresetContext(role, key))
    assert isinstance(preset, BaseAuth)
    if role is Role.CLIENT:
        preset.set_target(target)
    return preset


def _sent(preset: Preset, data: bytes) -> bytes:
    (effect,) = preset.encode(data)
    assert isinstance(effect, Forward)
    return bytes(effect.data)


def test_the_header_travels_with_the_first_bytes_and_never_alone() -> None:
    client = _make(Role.CLIENT)
    assert client.encode(b"") == ()
    first = _sent(client, b"one")
    assert len(first) == HEADER_SIZE + 3
    assert client.encode(b"two") == (Forward(b"two"),)


def test_a_server_takes_the_header_wherever_it_is_cut() -> None:
    wire = _sent(_make(Role.CLIENT), b"payload")
    for cut in range(1, HEADER_SIZE):
        server = _make(Role.SERVER)
        assert server.decode(wire[:cut]) == ()
        assert server.decode(wire[cut:]) == (ConnectTo(TARGET), Forward(b"payload"))
        assert server.decode_eof() == ()


def test_a_large_first_chunk_is_not_cut() -> None:
    payload = bytes(range(256)) * 1000
    wire = _sent(_make(Role.CLIENT), payload)
    assert _make(Role.SERVER).decode(wire) == (ConnectTo(TARGET), Forward(payload))


def test_addresses_are_text() -> None:
    for host in ("10.0.0.1", "2001:db8::1", "x" * 63):
        target = Address(host, 1)
        wire = _sent(_make(Role.CLIENT, target=target), b"x")
        assert _make(Role.SERVER).decode(wire)[0] == ConnectTo(target)  # type: ignore[index]
    with pytest.raises(LocalError):
        _make(Role.CLIENT, target=Address("x" * 256, 1))


def test_another_key_is_refused() -> None:
    wire = _sent(_make(Role.CLIENT, key="other"), bytes(300))
    assert _make(Role.SERVER).decode(wire) == (Reject("the signature of the address does not fit"),)


def test_noise_is_refused_after_a_header_at_most() -> None:
    server = _make(Role.SERVER)
    effects = [effect for byte in bytes(300) for effect in server.decode(bytes((byte,)))]
    assert effects
    assert isinstance(effects[0], Reject)


def test_a_signed_address_must_be_one() -> None:
    client = _make(Role.CLIENT)
    client._text = b"\3a b\0\1"  # what no set_target writes
    wire = _sent(client, b"x")
    (effect,) = _make(Role.SERVER).decode(wire)
    assert effect == Reject("the host is neither a name nor an address")


def test_an_end_inside_the_header() -> None:
    server = _make(Role.SERVER)
    assert server.decode_eof() == (Reject("ended inside the address"),)


def test_the_other_direction_is_untouched() -> None:
    assert _make(Role.SERVER).encode(b"x") == (Forward(b"x"),)
    assert _make(Role.CLIENT).decode(b"x") == (Forward(b"x"),)
    assert _make(Role.CLIENT).decode_eof() == ()
    assert _make(Role.SERVER).encode_datagram(b"x") == b"x"
    assert _make(Role.CLIENT).unpack_datagram(b"x") == (None, b"x")


def test_the_cipher_runs_on_from_datagram_to_datagram() -> None:
    client, server = _make(Role.CLIENT), _make(Role.SERVER)
    wires = [client.encode_datagram(b"same") for _ in range(40)]
    assert len(set(wires)) == 40
    for wire in wires:
        assert server.unpack_datagram(wire) == (TARGET, b"same")


def test_a_forged_datagram_harms_no_other() -> None:
    client, server = _make(Role.CLIENT), _make(Role.SERVER)
    server.unpack_datagram(client.encode_datagram(b"one"))
    for forged in (b"", b"x", bytes(HEADER_SIZE), bytes(400)):
        with pytest.raises(RemoteError):
            server.unpack_datagram(forged)
    assert server.unpack_datagram(client.encode_datagram(b"two")) == (TARGET, b"two")


def test_a_lost_datagram_takes_the_next_along_until_a_client_begins_anew() -> None:
    client, server = _make(Role.CLIENT), _make(Role.SERVER)
    server.unpack_datagram(client.encode_datagram(b"one"))
    client.encode_datagram(b"lost")
    with pytest.raises(RemoteError):
        server.unpack_datagram(client.encode_datagram(b"three"))
    anew = _make(Role.CLIENT)
    assert server.unpack_datagram(anew.encode_datagram(b"one")) == (TARGET, b"one")
    assert server.unpack_datagram(anew.encode_datagram(b"two")) == (TARGET, b"two")


def test_unknown_methods() -> None:
    with pytest.raises(ConfigError) as caught:
        BaseAuth.configure({"method": "sha512"})
    assert caught.value.fix == "known: md5, sha1, sha256"
