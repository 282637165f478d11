"""What ss-aead-cipher's and aead-random-cipher's tests do not say about both."""

from __future__ import annotations

import pytest

from blinktun.effects import Forward, Reject
from blinktun.presets.aead_random_cipher import AeadRandomCipher
from blinktun.presets.base import Preset, PresetContext, Role
from blinktun.presets.ss_aead_cipher import SsAeadCipher
from blinktun.testing.pair import forwarded

kinds = pytest.mark.parametrize("kind", [SsAeadCipher, AeadRandomCipher])


def _make(kind: type[Preset], role: Role) -> Preset:
    return kind.configure({"method": "aes-256-gcm"})(PresetContext(role, "key"))


@kinds
def test_nothing_is_sent_for_nothing(kind: type[Preset]) -> None:
    assert _make(kind, Role.CLIENT).encode(b"") == ()


@kinds
def test_what_came_before_a_bad_chunk_is_passed_on(kind: type[Preset]) -> None:
    client, server = _make(kind, Role.CLIENT), _make(kind, Role.SERVER)
    wire = forwarded(client.encode(b"one")) + forwarded(client.encode(b"two"))
    broken = wire[:-1] + bytes((wire[-1] ^ 1,))
    assert server.decode(broken) == (
        Forward(b"one"),
        Reject("the tag of a chunk's data does not fit"),
    )


@kinds
def test_chunks_are_as_large_as_the_format_allows(kind: type[Preset]) -> None:
    client, server = _make(kind, Role.CLIENT), _make(kind, Role.SERVER)
    data = bytes(0x3FFF)
    wire = forwarded(client.encode(data * 2))
    assert forwarded(server.decode(wire)) == data * 2
