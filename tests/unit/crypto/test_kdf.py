from __future__ import annotations

import json
from pathlib import Path

import pytest

from blinktun.crypto.kdf import evp_bytes_to_key, hkdf_sha1, md5, rc4_session_key

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors/blinksocks/primitives.json").read_text("utf-8")
)


@pytest.mark.parametrize("vector", VECTORS["evp_bytes_to_key"])
def test_evp_bytes_to_key(vector: dict[str, str]) -> None:
    size = int(vector["key_len"])
    expected = bytes.fromhex(vector["key"])
    assert evp_bytes_to_key(vector["password"], size) == expected
    assert evp_bytes_to_key(vector["password"].encode(), size) == expected


@pytest.mark.parametrize("vector", VECTORS["hkdf_sha1"])
def test_hkdf_sha1(vector: dict[str, str]) -> None:
    okm = hkdf_sha1(
        salt=bytes.fromhex(vector["salt"]),
        ikm=bytes.fromhex(vector["ikm"]),
        info=vector["info"].encode(),
        size=int(vector["length"]),
    )
    assert okm.hex() == vector["okm"]


def test_hkdf_sha1_beyond_one_block() -> None:
    # RFC 5869, test case 4.
    okm = hkdf_sha1(salt=bytes(range(13)), ikm=b"\x0b" * 11, info=bytes(range(0xF0, 0xFA)), size=42)
    assert okm.hex() == (
        "085a01ea1b10f36933068b56efa5ad81a4f14b822f5b091568a9cdd4f155fda2c22e422478d305f3f896"
    )


@pytest.mark.parametrize("vector", VECTORS["rc4_md5_session_key"])
def test_rc4_session_key(vector: dict[str, str]) -> None:
    key = rc4_session_key(evp_bytes_to_key(vector["password"], 16), bytes.fromhex(vector["iv"]))
    assert key.hex() == vector["rc4_key"]


def test_md5_takes_parts() -> None:
    # RFC 1321, A.5.
    assert md5(b"message", b" ", b"digest").hex() == "f96b697d7cb7938d525a2f31aaf161d0"
