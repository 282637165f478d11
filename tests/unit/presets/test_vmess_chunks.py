from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from blinktun.errors import RemoteError
from blinktun.presets.vmess_chunks import (
    MASKED,
    OPTIONS,
    PADDED,
    SECURITIES,
    ChunkOpener,
    ChunkSealer,
    NoncesUsedUpError,
)
from blinktun.testing.randomness import Counting

if TYPE_CHECKING:
    from blinktun.effects import Chunk

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors/blinksocks/primitives.json").read_text("utf-8")
)
KEY, IV = bytes(range(16)), bytes(range(100, 116))
any_security = pytest.mark.parametrize("security", SECURITIES)
any_options = pytest.mark.parametrize("options", [0, 1, OPTIONS, OPTIONS | PADDED, 1 | PADDED, 7])


def _sealer(security: str, options: int = OPTIONS, iv: bytes = IV) -> ChunkSealer:
    return ChunkSealer(SECURITIES[security], options, KEY, iv, random=Counting())


def _opener(security: str, options: int = OPTIONS) -> ChunkOpener:
    return ChunkOpener(SECURITIES[security], options, KEY, IV)


def _open(opener: ChunkOpener, wire: bytes) -> bytes:
    plain: list[Chunk] = []
    assert opener.open(memoryview(wire), plain) == len(wire)
    assert not opener.inside_chunk
    return b"".join(plain)


def _vectors(name: str) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", VECTORS[name])


@pytest.mark.parametrize("vector", _vectors("shake128_mask"))
def test_recorded_masks(vector: dict[str, Any]) -> None:
    sealer = _sealer("none", iv=bytes.fromhex(vector["seed"]))
    lengths = [bytes(sealer.seal(b"x")[0]) for _ in range(50)]
    masks = [int.from_bytes(length, "big") ^ 1 for length in lengths]
    assert masks[:10] == vector["first_10_u16_be"]
    assert masks[40:] == vector["u16_be_index_40_to_49"]


@pytest.mark.parametrize("vector", _vectors("vmess_chacha_key"))
def test_recorded_key_of_chacha20(vector: dict[str, Any]) -> None:
    make = SECURITIES["chacha20-poly1305"].key
    assert make is not None
    sealed = make(bytes.fromhex(vector["key"])).encrypt(bytes(12), b"plain", None)
    key = ChaCha20Poly1305(bytes.fromhex(vector["chacha20_key"]))
    assert key.decrypt(bytes(12), sealed, None) == b"plain"


@any_security
@any_options
@pytest.mark.parametrize("size", [0, 1, 0x3FFE, 0x3FFF, 0x4000, 3 * 0x3FFF + 5])
def test_any_size_comes_back(security: str, options: int, size: int) -> None:
    sealer, opener = _sealer(security, options), _opener(security, options)
    for plain in (bytes(size), b"again"):
        assert _open(opener, b"".join(sealer.seal(plain))) == plain


def test_chunks_are_as_large_as_can_be() -> None:
    wire = b"".join(_sealer("aes-128-gcm").seal(bytes(2 * 0x3FFF)))
    assert len(wire) == 2 * (2 + 0x3FFF + 16)


@any_security
def test_padding_as_v2ray_adds_it(security: str) -> None:
    sealed = [len(b"".join(_sealer(security, options).seal(b"x"))) for options in (5, 13)]
    # The first mask draws the padding, of less than 64 bytes; plain bodies have none.
    first = int.from_bytes(_sealer("none", iv=IV).seal(b"x")[0], "big") ^ 1
    assert sealed[1] - sealed[0] == (0 if security == "none" else first % 64)


@any_security
def test_an_empty_chunk_is_passed_over(security: str) -> None:
    make = SECURITIES[security].key
    body = make(KEY).encrypt(b"\0\0" + IV[2:12], b"", None) if make else b""
    wire = len(body).to_bytes(2, "big") + body
    assert _open(_opener(security, options=1), wire) == b""


@pytest.mark.parametrize("security", ["aes-128-gcm", "chacha20-poly1305"])
def test_no_nonce_is_used_twice(security: str) -> None:
    sealer, opener = _sealer(security, 1), _opener(security, 1)
    first = b"".join(sealer.seal(b"x"))
    assert _open(opener, first) == b"x"
    for _ in range(0xFFFE):
        _open(opener, b"".join(sealer.seal(b"x")))
    with pytest.raises(NoncesUsedUpError, match="65536 chunks"):
        sealer.seal(bytes(0x3FFF + 1))
    assert _open(opener, b"".join(sealer.seal(b"last"))) == b"last"
    with pytest.raises(NoncesUsedUpError):
        sealer.seal(b"x")
    assert _open(opener, first) == b"x"  # as v2ray sends it


def test_plain_bodies_have_no_end() -> None:
    sealer = _sealer("none", 1)
    for _ in range(0x10002):
        sealer.seal(b"x")


def test_a_length_without_its_chunk() -> None:
    opener = _opener("aes-128-gcm")
    wire = b"".join(_sealer("aes-128-gcm").seal(b"hello"))
    plain: list[Chunk] = []
    assert opener.open(memoryview(wire[:1]), plain) == 0
    assert opener.open(memoryview(wire[:-1]), plain) == 2
    assert opener.inside_chunk
    assert opener.open(memoryview(wire[2:]), plain) == len(wire) - 2
    assert plain == [b"hello"]


@pytest.mark.parametrize("options", [1, 1 | MASKED | PADDED])
def test_too_short_to_be_sealed(options: int) -> None:
    opener = _opener("aes-128-gcm", options)
    masks = _sealer("none", MASKED).seal(b"")  # none drawn
    assert masks == []
    mask = 0
    if options & MASKED:
        drawn = _sealer("none")
        padding, mask = (int.from_bytes(drawn.seal(b"x")[0], "big") ^ 1 for _ in range(2))
        length = 15 + padding % 64
    else:
        length = 15
    wire = (length ^ mask).to_bytes(2, "big") + bytes(length)
    with pytest.raises(RemoteError, match="too short"):
        opener.open(memoryview(wire), [])


@pytest.mark.parametrize("at", [2, -1])
@pytest.mark.parametrize("security", ["aes-128-gcm", "chacha20-poly1305"])
def test_a_changed_byte_is_refused(security: str, at: int) -> None:
    wire = bytearray(b"".join(_sealer(security).seal(b"hello")))
    wire[at] ^= 1
    with pytest.raises(RemoteError, match="does not fit"):
        _opener(security).open(memoryview(wire), [])
