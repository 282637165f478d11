from __future__ import annotations

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from blinktun.crypto import stream
from blinktun.effects import Forward, Reject
from blinktun.errors import ConfigError
from blinktun.presets import ss_stream_cipher
from blinktun.presets.base import Preset, PresetContext, Role
from blinktun.presets.ss_stream_cipher import SsStreamCipher
from blinktun.testing.pair import forwarded
from blinktun.testing.randomness import Counting


def _make(role: Role, method: str = "aes-128-ctr", seed: int = 0) -> SsStreamCipher:
    made: Preset = SsStreamCipher.configure({"method": method})(
        PresetContext(role, "key", Counting(seed))
    )
    assert isinstance(made, SsStreamCipher)
    return made


def _iv(preset: SsStreamCipher) -> bytes | None:
    return preset.client_iv


def test_default_method() -> None:
    made = SsStreamCipher.configure({})(PresetContext(Role.CLIENT, "key"))
    assert isinstance(made, SsStreamCipher)
    assert len(made.user_key) == 32


@pytest.mark.parametrize("method", ["aes-128-ecb", "", 5, None, ["aes-128-ctr"]])
def test_unknown_method(method: object) -> None:
    with pytest.raises(ConfigError, match="known: aes-128-ctr, ") as caught:
        SsStreamCipher.configure({"method": method})
    assert caught.value.key == "method"


def test_method_missing_from_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_key: bytes, _iv: bytes) -> stream.Transform:
        raise UnsupportedAlgorithm("no RC4 here")

    broken = stream.StreamMethod("rc4-md5", 16, 16, refuse, refuse)
    monkeypatch.setattr(ss_stream_cipher, "STREAM_METHODS", {"rc4-md5": broken})
    with pytest.raises(ConfigError, match="not available in this build"):
        SsStreamCipher.configure({"method": "rc4-md5"})


def test_iv_goes_first_and_once() -> None:
    client, server = _make(Role.CLIENT, seed=1), _make(Role.SERVER, seed=2)
    first = forwarded(client.encode(b"hello"))
    assert len(first) == 16 + 5
    second = forwarded(client.encode(b"again"))
    assert len(second) == 5
    assert forwarded(server.decode(first)) == b"hello"
    assert forwarded(server.decode(second)) == b"again"


def test_nothing_in_nothing_out() -> None:
    assert _make(Role.CLIENT).encode(b"") == ()


def test_a_split_iv_is_collected() -> None:
    wire = forwarded(_make(Role.CLIENT, seed=1).encode(b"hello"))
    server = _make(Role.SERVER)
    assert server.decode(wire[:15]) == ()
    assert _iv(server) is None
    assert server.decode(wire[15:16]) == ()
    assert _iv(server) == wire[:16]
    assert server.decode(wire[16:]) == (Forward(b"hello"),)
    assert server.decode_eof() == ()


def test_an_end_inside_the_iv() -> None:
    server = _make(Role.SERVER)
    server.decode(b"x" * 15)
    assert server.decode_eof() == (Reject("ended inside the IV"),)


def test_both_directions_have_their_own_iv_and_a_repeated_one_is_taken() -> None:
    client, server = _make(Role.CLIENT, seed=1), _make(Role.SERVER, seed=2)
    up = forwarded(client.encode(b"up"))
    server.decode(up)
    assert forwarded(server.encode(b"down"))[:16] != up[:16]
    echoing = _make(Role.CLIENT, seed=1)
    assert forwarded(client.decode(forwarded(echoing.encode(b"down")))) == b"down"
    assert client.client_iv == up[:16]


def test_none_is_the_identity() -> None:
    client, server = _make(Role.CLIENT, "none"), _make(Role.SERVER, "none")
    assert forwarded(client.encode(b"plain")) == b"plain"
    assert forwarded(server.decode(b"plain")) == b"plain"
    assert client.client_iv == b""
    assert server.client_iv == b""
