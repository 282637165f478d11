"""Connections that were recorded, and noise between them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from blinktun.address import Address
from blinktun.config.model import PresetSpec
from blinktun.effects import ConnectTo, Reject
from blinktun.presets.base import AddressingPreset, PresetContext, Role
from blinktun.presets.mux_frames import FrameReader, New, pack_data, pack_new
from blinktun.presets.registry import PRESETS, PipelineMaker
from blinktun.testing.pair import forwarded, replied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.effects import Effect

HERE = Path(__file__).parent
PARAMS: dict[str, dict[str, Any]] = {
    "aead-random-cipher": {"method": "aes-128-gcm"},
    "obfs-http": {"file": str(HERE.parents[2] / "benchmarks/obfs-http.txt")},
    "obfs-tls1.2-ticket": {"sni": "example.com"},
    "v2ray-vmess": {"id": "c2485913-4e9e-41eb-8cc5-b2e7db8d3bc7"},
    "auto-conf": {"suites": str(HERE.parent / "tunnel" / "suites.json")},
    "base-with-padding": {"salt": "salt"},
    "exp-base-with-padding": {"salt": "salt"},
    "base-auth-stream": {"method": "aes-128-cfb"},
    "exp-base-auth-stream": {"method": "aes-128-cfb"},
}
CIPHERS = ("ss-stream-cipher", "ss-aead-cipher", "aead-random-cipher")
TARGET = Address("bank.example", 80)


class Guard:
    """Remembers all, and what it was asked."""

    def __init__(self) -> None:
        self.tokens: set[bytes] = set()

    def is_new(self, token: bytes) -> bool:
        is_new = token not in self.tokens
        self.tokens.add(token)
        return is_new


def _spec(name: str) -> PresetSpec:
    return PresetSpec(name, PARAMS.get(name, {}))


def _stacks() -> dict[str, tuple[PresetSpec, ...]]:
    """Every preset, and every way to carry a target over every cipher."""
    carriers = [name for name, kind in PRESETS.items() if issubclass(kind, AddressingPreset)]
    stacks: dict[str, tuple[PresetSpec, ...]] = {
        f"{carrier} {cipher}": (_spec(carrier), _spec(cipher))
        for carrier in carriers
        if carrier != "auto-conf"
        for cipher in CIPHERS
    }
    for name, kind in PRESETS.items():
        if issubclass(kind, AddressingPreset):
            stacks[name] = (_spec(name),)
        elif not kind.comes_last:
            stacks[f"ss-base {name} ss-stream-cipher"] = tuple(
                map(_spec, ("ss-base", name, "ss-stream-cipher"))
            )
        else:
            stacks[f"ss-base ss-aead-cipher {name}"] = tuple(
                map(_spec, ("ss-base", "ss-aead-cipher", name))
            )
    return stacks


STACKS = _stacks()
WITHOUT = {"ss-base", "base-auth", "base-with-padding", "exp-base-with-padding"}
"""Alone they put nothing random on the wire: a client's second connection is like its first."""


def _recording(presets: Sequence[PresetSpec], guard: Guard) -> bytes:
    """What a client sent to a server that has served it."""
    make = PipelineMaker(presets)
    client = make(PresetContext(Role.CLIENT, "secret"))
    server = make(PresetContext(Role.SERVER, "secret", replays=guard))
    client.set_target(TARGET)
    recorded, is_served, up = b"", False, forwarded(client.encode(b"POST /pay"))
    while up:
        recorded += up
        effects = server.decode(up)
        is_served |= _connects(effects)
        answer = replied(effects)
        up = replied(client.decode(answer)) if answer else b""
    assert is_served
    return recorded


def _connects(effects: Sequence[Effect]) -> bool:
    return any(isinstance(effect, ConnectTo) for effect in effects)


@pytest.mark.parametrize("name", sorted(set(STACKS) - WITHOUT))
def test_a_recorded_connection_is_served_once(name: str) -> None:
    guard = Guard()
    wire = _recording(STACKS[name], guard)
    assert guard.tokens
    make = PipelineMaker(STACKS[name])
    for size in (1, 1 << 20):
        again = make(PresetContext(Role.SERVER, "secret", replays=guard))
        pieces = [wire[at : at + size] for at in range(0, len(wire), size)]
        effects = [effect for piece in pieces for effect in again.decode(piece)]
        assert not _connects(effects)
        assert sum(isinstance(effect, Reject) for effect in effects) == 1


@pytest.mark.parametrize("name", sorted(STACKS))
def test_noise_is_not_remembered(name: str) -> None:
    guard, noise, served = Guard(), random.Random(1), 0
    make = PipelineMaker(STACKS[name])
    context = PresetContext(Role.SERVER, "secret", replays=guard)
    for length in (17, 33, 64, 120, 700) * 40:
        effects = make(context).decode(noise.randbytes(length))
        served += _connects(effects)
    # Where nothing authenticates, a byte in 85 names a target by chance.
    assert served <= 20
    ciphers = sum(spec.name == "ss-stream-cipher" for spec in STACKS[name])
    assert len(guard.tokens) <= served * ciphers


@pytest.mark.parametrize("cipher", CIPHERS)
def test_connections_that_carry_many_are_remembered_with_their_first_frame(cipher: str) -> None:
    guard = Guard()
    make = PipelineMaker([_spec("ss-base"), _spec(cipher)])
    client = make.for_mux(PresetContext(Role.CLIENT, "secret"))
    frames = pack_new(b"1234", TARGET) + pack_data(b"1234", b"POST /pay")
    wire = forwarded(client.encode(frames))
    refusals = []
    for _ in range(2):
        server = make.for_mux(PresetContext(Role.SERVER, "secret", replays=guard))
        effects = server.decode(wire)
        refused = [effect for effect in effects if isinstance(effect, Reject)]
        if not refused:
            assert isinstance(FrameReader().feed(forwarded(effects))[0], New)
            refused = [refusal] if (refusal := server.authenticate()) else []
        refusals.append(len(refused))
    assert refusals == [0, 1]
    for _ in range(200):
        make.for_mux(PresetContext(Role.SERVER, "secret", replays=guard)).decode(bytes(50))
    assert len(guard.tokens) == 1
