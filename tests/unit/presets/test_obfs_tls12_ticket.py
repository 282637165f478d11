from __future__ import annotations

import json
from pathlib import Path

import pytest

from blinktun.address import Address
from blinktun.config.model import PresetSpec
from blinktun.effects import ConnectTo, Forward, Reject
from blinktun.errors import ConfigError
from blinktun.presets.base import Preset, PresetContext, Role
from blinktun.presets.obfs_tls12_ticket import ObfsTls12Ticket
from blinktun.presets.registry import PipelineMaker
from blinktun.testing.pair import forwarded, replied
from blinktun.testing.randomness import Counting

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors/blinksocks/obfs-tls1.2-ticket.json").read_text("utf-8")
)
HELLO = bytes.fromhex(VECTORS["client_hello"])
FLIGHT = bytes.fromhex(VECTORS["server_flight_from_blinksocks"])


def _make(role: Role, sni: object = "example.com") -> Preset:
    return ObfsTls12Ticket.configure({"sni": sni})(PresetContext(role, "", Counting()))


def _exchanged() -> tuple[Preset, Preset]:
    client, server = _make(Role.CLIENT), _make(Role.SERVER)
    flight = replied(server.decode(forwarded(client.encode(b"first"))))
    assert forwarded(server.decode(replied(client.decode(flight)))) == b"first"
    return client, server


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_the_recorded_exchange_at_a_server(size: int) -> None:
    specs = [PresetSpec(p["name"], p.get("params", {})) for p in VECTORS["presets"]]
    server = PipelineMaker(specs)(PresetContext(Role.SERVER, VECTORS["key"], Counting()))
    second = bytes.fromhex(VECTORS["client_second_flight"]["wire"])
    more = bytes.fromhex(VECTORS["client_appdata"]["wire"])
    wire = HELLO + second + more
    effects = [
        effect for at in range(0, len(wire), size) for effect in server.decode(wire[at : at + size])
    ]
    assert replied(effects[:1]).startswith(b"\x16\x03\x03")
    target = Address(VECTORS["target"]["host"], VECTORS["target"]["port"])
    assert effects[1] == ConnectTo(target)
    plain = VECTORS["client_second_flight"]["plain"] + VECTORS["client_appdata"]["plain"]
    assert forwarded(effects) == bytes.fromhex(plain)
    reply = forwarded(server.encode(bytes.fromhex(VECTORS["server_appdata"]["plain"])))
    assert reply.hex() == VECTORS["server_appdata"]["wire"]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_the_recorded_exchange_at_a_client(size: int) -> None:
    client = _make(Role.CLIENT)
    assert len(forwarded(client.encode(b"first"))) > 200
    wire = FLIGHT + bytes.fromhex(VECTORS["server_appdata"]["wire"])
    effects = [
        effect for at in range(0, len(wire), size) for effect in client.decode(wire[at : at + size])
    ]
    sent = replied(effects)
    assert sent[:11].hex() == "1403030001011603030020"
    assert sent[43:] == b"\x17\x03\x03\x00\x05first"
    assert forwarded(effects) == bytes.fromhex(VECTORS["server_appdata"]["plain"])
    assert client.decode_eof() == ()


def test_what_comes_first_is_kept_until_the_answer() -> None:
    client = _make(Role.CLIENT)
    held = [client.holds_back]
    assert client.encode(b"") == ()
    assert forwarded(client.encode(b"one")).startswith(b"\x16\x03\x01")
    held.append(client.holds_back)
    assert client.encode(b"two") == ()
    assert list(client.decode(FLIGHT[:-1])) == []
    held.append(client.holds_back)
    assert replied(client.decode(FLIGHT[-1:]))[43:] == b"\x17\x03\x03\x00\x06onetwo"
    held.append(client.holds_back)
    assert held == [False, True, True, False]


@pytest.mark.parametrize("size", [1, 0x3FFF, 0x4000, 100_000])
def test_records_of_any_number(size: int) -> None:
    client, server = _exchanged()
    for sender, receiver in ((client, server), (server, client)):
        wire = forwarded(sender.encode(bytes(size)))
        assert len(wire) == size + 5 * -(-size // 0x3FFF)
        assert forwarded(receiver.decode(wire)) == bytes(size)
        assert receiver.decode_eof() == ()


def test_records_are_passed_on_before_they_are_complete() -> None:
    _, server = _exchanged()
    assert list(server.decode(b"\x17\x03\x03\xff\xffabc")) == [Forward(b"abc")]
    assert server.decode_eof() == (Reject("ended inside a record"),)


def test_type_and_version_of_records_do_not_matter() -> None:
    _, server = _exchanged()
    assert forwarded(server.decode(b"\x17\x03\x03\0\0\x99\0\0\0\x02ok")) == b"ok"


@pytest.mark.parametrize("wire", [b"", HELLO[:-1], HELLO, HELLO + bytes(42)])
def test_an_end_inside_the_exchange(wire: bytes) -> None:
    server = _make(Role.SERVER)
    if wire:
        server.decode(wire)
    assert server.decode_eof() == (Reject("ended inside the handshake"),)


def test_noise_is_refused() -> None:
    assert list(_make(Role.SERVER).decode(b"GET / HTTP/1.1")) == [
        Reject("does not begin with a ClientHello")
    ]
    client = _make(Role.CLIENT)
    client.encode(b"first")
    assert list(client.decode(b"HTTP/1.1")) == [Reject("the server's handshake is not one of ours")]


def test_names_are_drawn() -> None:
    names = ["one.example", "two.example", "bücher.example"]
    configured = ObfsTls12Ticket.configure({"sni": names})
    seen = set()
    for seed in range(20):
        hello = forwarded(configured(PresetContext(Role.CLIENT, "", Counting(seed))).encode(b"x"))
        seen |= {name for name in names if name.encode("idna") in hello}
    assert seen == set(names)


@pytest.mark.parametrize("sni", ["", [], [""], ["ok", 5], 5, "x" * 256, "\N{BULLET}" * 300])
def test_names_that_are_none(sni: object) -> None:
    with pytest.raises(ConfigError, match="is not a host name or a list of them") as caught:
        ObfsTls12Ticket.configure({"sni": sni})
    assert caught.value.key == "sni"


def test_a_client_without_a_name() -> None:
    client = ObfsTls12Ticket.configure({})(PresetContext(Role.CLIENT, "", Counting()))
    assert client.encode(b"x") == (Reject("there is no sni to show"),)
    assert not client.holds_back


def test_parameters_without_a_name() -> None:
    with pytest.raises(ConfigError, match="is missing"):
        ObfsTls12Ticket.configure({"sin": "example.com"})


def test_datagrams_pass_as_they_are() -> None:
    preset = _make(Role.CLIENT)
    assert preset.encode_datagram(b"x") == preset.decode_datagram(b"x") == b"x"
