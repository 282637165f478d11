from __future__ import annotations

import pytest

from blinktun.address import Address
from blinktun.config.model import PresetSpec
from blinktun.effects import Reject
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.registry import PipelineMaker
from blinktun.presets.replay import ReplayGuard
from blinktun.testing.pair import forwarded


def test_a_token_is_new_once() -> None:
    guard = ReplayGuard()
    assert guard.is_new(b"a")
    assert guard.is_new(b"b")
    assert not guard.is_new(b"a")
    assert not guard.is_new(b"b")


def test_at_least_a_generation_is_remembered_and_at_most_two() -> None:
    guard = ReplayGuard(generation=10)
    tokens = [bytes([number]) for number in range(40)]
    for token in tokens:
        assert guard.is_new(token)
    assert not any(guard.is_new(token) for token in tokens[-10:])
    assert guard.is_new(tokens[0])


@pytest.mark.parametrize("name", ["ss-aead-cipher", "ss-stream-cipher"])
def test_a_recorded_connection_is_refused(name: str) -> None:
    make = PipelineMaker([PresetSpec("ss-base"), PresetSpec(name)])
    client = make(PresetContext(Role.CLIENT, "secret"))
    client.set_target(Address("example.com", 80))
    wire = forwarded(client.encode(b"GET /"))
    servers = [make(PresetContext(Role.SERVER, "secret")) for _ in range(3)]
    assert forwarded(servers[0].decode(wire)) == b"GET /"
    effects = [effect for byte in wire for effect in servers[1].decode(bytes([byte]))]
    assert [type(effect) for effect in effects] == [Reject]
    assert [type(effect) for effect in servers[2].decode(wire)] == [Reject]
