from __future__ import annotations

from blinktun.address import Address
from blinktun.effects import ConnectTo, Forward, Reject
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.ss_base import SsBase

TARGET = Address("127.0.0.1", 80)
HEADER = bytes.fromhex("017f0000010050")


def _client() -> SsBase:
    client = SsBase(PresetContext(Role.CLIENT, "key"))
    client.set_target(TARGET)
    return client


def _server() -> SsBase:
    return SsBase(PresetContext(Role.SERVER, "key"))


def test_header_travels_with_the_first_bytes_only() -> None:
    client = _client()
    assert client.encode(b"one") == (Forward(HEADER + b"one"),)
    assert client.encode(b"two") == (Forward(b"two"),)


def test_header_alone_when_asked() -> None:
    client = _client()
    assert client.encode(b"") == (Forward(HEADER),)
    assert client.encode(b"") == ()


def test_server_connects_on_a_lone_header() -> None:
    server = _server()
    assert server.decode(HEADER) == (ConnectTo(TARGET),)
    assert server.decode(b"late") == (Forward(b"late"),)
    assert server.decode_eof() == ()


def test_server_collects_a_split_header() -> None:
    server = _server()
    assert server.decode(HEADER[:3]) == ()
    assert server.decode(HEADER[3:] + b"payload") == (ConnectTo(TARGET), Forward(b"payload"))


def test_a_large_first_chunk_is_not_cut() -> None:
    payload = bytes(range(256)) * 1000
    connect, forward = _server().decode(HEADER + payload)
    assert (connect, forward) == (ConnectTo(TARGET), Forward(payload))


def test_server_refuses_garbage_and_a_short_end() -> None:
    assert _server().decode(b"GET / HTTP/1.1") == (Reject("address type 71 does not exist"),)
    server = _server()
    server.decode(HEADER[:-1])
    assert server.decode_eof() == (Reject("ended inside the address"),)


def test_the_other_direction_is_untouched() -> None:
    assert _server().encode(b"x") == (Forward(b"x"),)
    assert _client().decode(b"x") == (Forward(b"x"),)
    assert _client().decode_eof() == ()


def test_unknown_parameters_are_ignored() -> None:
    made = SsBase.configure({"anything": 1})(PresetContext(Role.CLIENT, "key"))
    assert isinstance(made, SsBase)


def test_the_size_of_its_header_is_known_to_others() -> None:
    client = SsBase(PresetContext(Role.CLIENT, "key"))
    assert client.header_size == 0
    client.set_target(Address("example.com", 443))
    assert client.header_size == 15
    client.encode(b"x")
    assert client.header_size == 15
