from __future__ import annotations

import pytest

from blinktun.effects import Forward, Reject
from blinktun.errors import ConfigError
from blinktun.presets.aead_random_cipher import AeadRandomCipher
from blinktun.presets.base import Preset, PresetContext, Role
from blinktun.state.openings import Openings
from blinktun.testing.pair import forwarded

METHOD = {"method": "aes-128-gcm"}


def _pair(params: dict[str, object]) -> tuple[Preset, Preset]:
    make = AeadRandomCipher.configure(METHOD | params)
    return make(PresetContext(Role.CLIENT, "key")), make(PresetContext(Role.SERVER, "key"))


@pytest.mark.parametrize("params", [{}, {"factor": 10}, {"factor": 1, "info": "own"}])
def test_large_messages_in_both_directions(params: dict[str, object]) -> None:
    client, server = _pair(params)
    data = bytes(range(256)) * 500
    assert forwarded(server.decode(forwarded(client.encode(data)))) == data
    assert forwarded(client.decode(forwarded(server.encode(data)))) == data
    assert server.decode_eof() == client.decode_eof() == ()


def test_both_ends_need_the_same_parameters() -> None:
    wire = forwarded(_pair({})[0].encode(bytes(5000)))
    others: list[dict[str, object]] = [{"info": "other"}, {"factor": 3}]
    for other in others:
        (effect,) = _pair(other)[1].decode(wire)
        assert isinstance(effect, Reject)


def test_an_end_inside_padding_is_none() -> None:
    client, server = _pair({"factor": 10})
    wire = forwarded(client.encode(b"one"))
    assert server.decode(wire[:17]) == ()
    assert server.decode_eof() == (Reject("ended inside a sealed chunk"),)
    assert server.decode(wire[17:]) == (Forward(b"one"),)


def test_a_recorded_connection_is_refused() -> None:
    make = AeadRandomCipher.configure(METHOD)
    wire = forwarded(make(PresetContext(Role.CLIENT, "key")).encode(b"one"))
    context = PresetContext(Role.SERVER, "key", replays=Openings("off", "test", b""))
    first, second = (make(context) for _ in range(2))
    assert forwarded(first.decode(wire)) == b"one"
    assert second.decode(wire) == (Reject("the salt was used by an earlier connection"),)


def test_there_is_no_form_for_datagrams() -> None:
    assert not AeadRandomCipher.carries_datagrams


@pytest.mark.parametrize(
    ("params", "key", "problem"),
    [
        ({"method": None}, "method", "is missing"),
        ({"method": "aes-128-ccm"}, "method", "is not a known choice"),
        ({"info": ""}, "info", "is missing"),
        ({"info": 1}, "info", "is not a string"),
        *(({"factor": f}, "factor", "is out of range") for f in (0, 11, 1.5, True, "2", None)),
    ],
)
def test_parameters(params: dict[str, object], key: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        AeadRandomCipher.configure(METHOD | params)
    assert (caught.value.key, caught.value.problem) == (key, problem)
