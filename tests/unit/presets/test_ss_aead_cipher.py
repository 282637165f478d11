from __future__ import annotations

import pytest

from blinktun.crypto.aead import AEAD_METHODS
from blinktun.crypto.kdf import evp_bytes_to_key, hkdf_sha1
from blinktun.effects import Forward, Reject
from blinktun.errors import ConfigError
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.ss_aead_cipher import SsAeadCipher
from blinktun.testing.pair import forwarded
from blinktun.testing.randomness import Counting

METHOD = AEAD_METHODS["aes-128-gcm"]
SALT = bytes(range(16))


def _make(role: Role = Role.SERVER) -> SsAeadCipher:
    return SsAeadCipher(METHOD, PresetContext(role, "key", Counting()))


def _sealed(*plains: bytes) -> bytes:
    """Seal each plaintext with the next nonce, without a format."""
    subkey = hkdf_sha1(salt=SALT, ikm=evp_bytes_to_key("key", 16), info=b"ss-subkey", size=16)
    key = METHOD.key(subkey)
    return b"".join(
        key.encrypt(counter.to_bytes(12, "little"), plain, None)
        for counter, plain in enumerate(plains)
    )


def _length(size: int) -> bytes:
    return size.to_bytes(2, "big")


@pytest.mark.parametrize("method", ["aes-128-cfb", 5, None])
def test_unknown_method(method: object) -> None:
    with pytest.raises(ConfigError, match="known: aes-128-gcm, ") as caught:
        SsAeadCipher.configure({"method": method})
    assert caught.value.key == "method"


def test_default_method_is_aes_256_gcm() -> None:
    context = PresetContext(Role.CLIENT, "key", Counting())
    wire = forwarded(SsAeadCipher.configure({})(context).encode(b"x"))
    assert len(wire) == 32 + 2 + 16 + 1 + 16


def test_empty_data_sends_nothing() -> None:
    assert _make().encode(b"") == ()


@pytest.mark.parametrize("size", [1, 0x3FFE, 0x3FFF, 0x4000, 3 * 0x3FFF + 5])
def test_large_writes_are_cut(size: int) -> None:
    plain = bytes(size)
    wire = forwarded(_make(Role.CLIENT).encode(plain))
    chunks = -(-size // 0x3FFF)
    assert len(wire) == 16 + size + chunks * (2 + 16 + 16)
    server = _make()
    assert forwarded(server.decode(wire)) == plain
    assert server.decode_eof() == ()


def test_one_byte_too_many_is_taken_as_some_peers_send_it() -> None:
    wire = SALT + _sealed(_length(0x4000), bytes(0x4000))
    assert forwarded(_make().decode(wire)) == bytes(0x4000)


def test_longer_chunks_are_refused() -> None:
    effects = _make().decode(SALT + _sealed(_length(0x4001)))
    assert effects == (Reject("a chunk of 16385 bytes is longer than 16383"),)


def test_an_empty_chunk_is_passed_over() -> None:
    wire = SALT + _sealed(_length(0), b"", _length(2), b"ok")
    assert _make().decode(wire) == (Forward(b"ok"),)


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (16, "the tag of a chunk's length does not fit"),
        (16 + 17, "the tag of a chunk's length does not fit"),
        (16 + 18, "the tag of a chunk's data does not fit"),
        (0, "the tag of a chunk's length does not fit"),
    ],
)
def test_a_changed_byte_is_refused(at: int, reason: str) -> None:
    wire = bytearray(SALT + _sealed(_length(5), b"hello"))
    wire[at] ^= 1
    assert _make().decode(wire) == (Reject(reason),)


def test_what_came_before_a_bad_chunk_is_delivered() -> None:
    wire = SALT + _sealed(_length(5), b"hello") + bytes(18)
    assert _make().decode(wire) == (
        Forward(b"hello"),
        Reject("the tag of a chunk's length does not fit"),
    )


@pytest.mark.parametrize("end", [1, 15, 17, 16 + 18, 16 + 18 + 20])
def test_a_truncated_stream_is_noticed(end: int) -> None:
    wire = SALT + _sealed(_length(5), b"hello")
    server = _make()
    assert list(server.decode(wire[:end])) == []
    assert server.decode_eof() == (Reject("ended inside a sealed chunk"),)


def test_an_end_between_chunks_is_clean() -> None:
    server = _make()
    assert server.decode_eof() == ()
    server.decode(SALT + _sealed(_length(5), b"hello"))
    assert server.decode_eof() == ()
