from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag

from blinktun.crypto.aead import AEAD_METHODS, TAG_SIZE, hchacha20

PLAIN = bytes(range(256)) * 65


def test_all_names_and_sizes_are_there() -> None:
    assert {name: (m.key_size, m.nonce_size) for name, m in AEAD_METHODS.items()} == {
        "aes-128-gcm": (16, 12),
        "aes-192-gcm": (24, 12),
        "aes-256-gcm": (32, 12),
        "aes-128-ccm": (16, 12),
        "aes-192-ccm": (24, 12),
        "aes-256-ccm": (32, 12),
        "chacha20-poly1305": (32, 8),
        "chacha20-ietf-poly1305": (32, 12),
        "xchacha20-ietf-poly1305": (32, 24),
    }


@pytest.mark.parametrize("name", AEAD_METHODS)
@pytest.mark.parametrize("associated_data", [None, b"header"])
def test_what_is_sealed_opens_and_nothing_else(name: str, associated_data: bytes | None) -> None:
    method = AEAD_METHODS[name]
    key = method.key(bytes(range(method.key_size)))
    nonce = bytes(range(method.nonce_size))
    sealed = key.encrypt(nonce, PLAIN, associated_data)
    assert len(sealed) == len(PLAIN) + TAG_SIZE
    assert key.decrypt(nonce, memoryview(sealed), associated_data) == PLAIN
    for broken in (
        bytes((sealed[0] ^ 1,)) + sealed[1:],
        sealed[:-1] + bytes((sealed[-1] ^ 1,)),
        sealed[:-1],
        sealed[: TAG_SIZE - 1],
        b"",
    ):
        with pytest.raises(InvalidTag):
            key.decrypt(nonce, broken, associated_data)
    with pytest.raises(InvalidTag):
        key.decrypt(bytes(method.nonce_size), sealed, associated_data)
    with pytest.raises(InvalidTag):
        key.decrypt(nonce, sealed, b"another header")


def test_hchacha20() -> None:
    # draft-irtf-cfrg-xchacha-03, section 2.2.1.
    key = bytes(range(32))
    nonce = bytes.fromhex("000000090000004a0000000031415927")
    assert hchacha20(key, nonce).hex() == (
        "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    )


def test_xchacha20_poly1305() -> None:
    # draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    key = AEAD_METHODS["xchacha20-ietf-poly1305"].key(bytes(range(0x80, 0xA0)))
    nonce = bytes(range(0x40, 0x58))
    plain = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
        b"future, sunscreen would be it."
    )
    sealed = key.encrypt(nonce, plain, bytes.fromhex("50515253c0c1c2c3c4c5c6c7"))
    assert sealed[:16].hex() == "bd6d179d3e83d43b9576579493c0e939"
    assert sealed[-16:].hex() == "c0875924c1c7987947deafd8780acf49"
