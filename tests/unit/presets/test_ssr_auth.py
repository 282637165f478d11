"""What holds for every preset of ShadowsocksR."""

from __future__ import annotations

import pytest

from blinktun.address import Address
from blinktun.config.model import PresetSpec
from blinktun.effects import ConnectTo, Reject
from blinktun.errors import LocalError
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.registry import PRESETS, PipelineMaker
from blinktun.presets.ssr_auth import MAX_CLOCK_DIFFERENCE, Stamp
from blinktun.state.openings import Openings
from blinktun.testing.pair import forwarded, targets
from blinktun.testing.randomness import Counting

NAMES = [name for name in PRESETS if name.startswith("ssr-")]
TARGET = Address("example.com", 443)
NOW = 1_530_000_000

any_name = pytest.mark.parametrize("name", NAMES)


class _Server:
    """One server with many connections, and clients of it."""

    def __init__(self, name: str, method: str = "none") -> None:
        self._make = PipelineMaker(_specs(name, method))
        self._seed = 0
        self._replays = Openings("off", "test", b"")

    def first_message(self, now: float = NOW) -> bytes:
        self._seed += 1
        context = PresetContext(Role.CLIENT, "key", Counting(self._seed), lambda: now)
        client = self._make(context)
        client.set_target(TARGET)
        effects = client.encode(b"hello")
        assert len(effects) == 1
        return forwarded(effects)

    def answers(self, wire: bytes, now: float = NOW) -> list[object]:
        random, replays = Counting(100), self._replays
        context = PresetContext(Role.SERVER, "key", random, lambda: now, replays)
        return [*self._make(context).decode(wire)]


def _specs(name: str, method: str) -> list[PresetSpec]:
    return [
        PresetSpec("ss-base"),
        PresetSpec(name),
        PresetSpec("ss-stream-cipher", {"method": method}),
    ]


def test_there_are_four() -> None:
    assert len(NAMES) == 4


@any_name
@pytest.mark.parametrize("difference", [-MAX_CLOCK_DIFFERENCE, 0, 0.9, MAX_CLOCK_DIFFERENCE])
def test_clocks_may_differ_a_little(name: str, difference: float) -> None:
    server = _Server(name)
    effects = server.answers(server.first_message(), NOW + difference)
    assert effects[0] == ConnectTo(TARGET)


@any_name
@pytest.mark.parametrize("difference", [-31, 31, -NOW, 3600])
def test_old_and_future_handshakes_are_refused(name: str, difference: int) -> None:
    server = _Server(name)
    effects = server.answers(server.first_message(), NOW + difference)
    assert effects == [Reject(f"the client's clock differs by {-difference} s")]


@any_name
@pytest.mark.parametrize("method", ["none", "aes-128-ctr"])
def test_a_connection_sent_again_is_refused(name: str, method: str) -> None:
    server = _Server(name, method)
    recorded = server.first_message()
    assert server.answers(recorded)[0] == ConnectTo(TARGET)
    refusal = Reject("the handshake was used by an earlier connection")
    assert server.answers(recorded) == [refusal]
    assert server.answers(server.first_message())[0] == ConnectTo(TARGET)


@any_name
def test_a_forged_handshake_does_not_use_up_the_genuine_one(name: str) -> None:
    server = _Server(name)
    genuine = server.first_message()
    for at in (0, 1, 12, 35):
        forged = bytearray(genuine)
        forged[at] ^= 1
        assert any(isinstance(effect, Reject) for effect in server.answers(bytes(forged)))
    assert server.answers(genuine)[0] == ConnectTo(TARGET)


@any_name
def test_an_end_inside_is_no_end(name: str) -> None:
    wire = _Server(name).first_message()
    for end in (0, 5, 35, len(wire) - 1):
        context = PresetContext(Role.SERVER, "key", Counting(), lambda: NOW)
        server = PipelineMaker(_specs(name, "none")).for_mux(context)
        if end:
            forwarded(server.decode(wire[:end]))
        assert [type(effect) for effect in server.decode_eof()] == [Reject]


@any_name
def test_without_a_target_of_its_own_as_with_mux(name: str) -> None:
    make = PipelineMaker(_specs(name, "aes-128-cfb"))
    client, server = (
        make.for_mux(PresetContext(role, "key", Counting(seed)))
        for role, seed in ((Role.CLIENT, 1), (Role.SERVER, 2))
    )
    assert client.encode(b"") == []
    assert forwarded(server.decode(forwarded(client.encode(b"frame")))) == b"frame"
    assert forwarded(client.decode(forwarded(server.encode(b"answer")))) == b"answer"


@any_name
def test_nobody_to_give_the_keys(name: str) -> None:
    made = PRESETS[name].configure({})(PresetContext(Role.CLIENT, "key"))
    with pytest.raises(LocalError, match="no ss-stream-cipher stands behind"):
        made.attach([made])


@any_name
def test_another_key_is_refused(name: str) -> None:
    wire = _Server(name).first_message()
    server = PipelineMaker(_specs(name, "none"))(PresetContext(Role.SERVER, "other"))
    effects = server.decode(wire)
    assert targets(effects) == []
    assert effects == [Reject("the first MAC of the handshake does not fit")]


def test_a_stamp_is_one_block() -> None:
    stamp = Stamp(NOW, b"abcd", 7, 1460, 3)
    block = stamp.seal(bytes(16), b"salt")
    assert len(block) == 16
    assert Stamp.open(block, bytes(16), b"salt") == stamp
    assert Stamp.open(block, bytes(16), b"another") != stamp
