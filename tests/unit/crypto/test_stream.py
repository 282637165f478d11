from __future__ import annotations

import json
from pathlib import Path

import pytest

from blinktun.crypto.kdf import evp_bytes_to_key
from blinktun.crypto.stream import STREAM_METHODS, rc4

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors/blinksocks/primitives.json").read_text("utf-8")
)
PLAIN = bytes(range(256)) * 3


def test_all_names_are_there() -> None:
    assert list(STREAM_METHODS) == [
        "aes-128-ctr",
        "aes-192-ctr",
        "aes-256-ctr",
        "aes-128-cfb",
        "aes-192-cfb",
        "aes-256-cfb",
        "camellia-128-cfb",
        "camellia-192-cfb",
        "camellia-256-cfb",
        "rc4-md5",
        "rc4-md5-6",
        "chacha20-ietf",
        "none",
    ]


@pytest.mark.parametrize("name", STREAM_METHODS)
def test_pieces_are_one_stream(name: str) -> None:
    method = STREAM_METHODS[name]
    key, iv = bytes(range(method.key_size)), bytes(range(method.iv_size))
    whole = method.encryptor(key, iv).update(PLAIN)
    running = method.encryptor(key, iv)
    assert b"".join(running.update(PLAIN[at : at + 7]) for at in range(0, len(PLAIN), 7)) == whole
    assert method.decryptor(key, iv).update(whole) == PLAIN
    assert (whole == PLAIN) is (name == "none")


@pytest.mark.parametrize("vector", VECTORS["rc4_md5_session_key"])
def test_rc4_md5_key_stream(vector: dict[str, str]) -> None:
    iv = bytes.fromhex(vector["iv"])
    method = STREAM_METHODS["rc4-md5" if len(iv) == 16 else "rc4-md5-6"]
    stream = method.encryptor(evp_bytes_to_key(vector["password"], 16), iv).update(bytes(16))
    assert bytes(stream).hex() == vector["keystream16"]


def test_chacha20_counts_blocks_from_zero() -> None:
    # RFC 8439, appendix A.1, test vector 1: key, nonce and counter are zero.
    stream = STREAM_METHODS["chacha20-ietf"].encryptor(bytes(32), bytes(12)).update(bytes(64))
    assert bytes(stream).hex().startswith("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1a")


def test_rc4() -> None:
    # RFC 6229, key length 128 bits.
    keystream = rc4(bytes(range(1, 17)))
    assert bytes(keystream.update(bytes(16))).hex() == "9ac7cc9a609d1ef7b2932899cde41b97"
    assert bytes(keystream.update(bytes(16))).hex() == "5248c4959014126a6e8a84f11d1a9e1c"
