"""Authenticated ciphers by the names of shadowsocks and blinksocks (blinksocks wire, 5.4)."""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.poly1305 import Poly1305

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from blinktun.effects import Chunk

TAG_SIZE = 16
"""Every method here has a tag of this many bytes, behind the ciphertext."""


class AeadKey(Protocol):
    """A key ready for use: the shape that the ``cryptography`` library gives its own.

    ``decrypt`` raises ``cryptography.exceptions.InvalidTag`` for anything but what was sealed.
    """

    def encrypt(self, nonce: bytes, data: Chunk, associated_data: bytes | None, /) -> bytes:
        """Return ciphertext and tag."""

    def decrypt(self, nonce: bytes, data: Chunk, associated_data: bytes | None, /) -> bytes:
        """Return the plaintext."""


@dataclass(frozen=True, slots=True)
class AeadMethod:
    """One authenticated cipher.

    Attributes:
        name: As in configurations.
        key_size: Bytes of key, and of salt.
        nonce_size: Bytes of nonce.
        key: Makes a usable key of ``key_size`` bytes.
    """

    name: str
    key_size: int
    nonce_size: int
    key: Callable[[bytes], AeadKey]


class OriginalChaCha20Poly1305:
    """ChaCha20-Poly1305 as first published: a nonce of 8 bytes, no padding under the tag.

    Source: draft-agl-tls-chacha20poly1305-04; libsodium's ``crypto_aead_chacha20poly1305``.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encrypt(self, nonce: bytes, data: Chunk, associated_data: bytes | None, /) -> bytes:
        """Return ciphertext and tag."""
        block_zero, sealed = self._xor(nonce, data)
        return sealed + self._tag(block_zero[:32], sealed, associated_data)

    def decrypt(self, nonce: bytes, data: Chunk, associated_data: bytes | None, /) -> bytes:
        """Return the plaintext.

        Raises:
            InvalidTag: the tag does not fit.
        """
        if len(data) < TAG_SIZE:
            raise InvalidTag
        sealed, tag = data[:-TAG_SIZE], data[-TAG_SIZE:]
        block_zero, plain = self._xor(nonce, sealed)
        if not hmac.compare_digest(self._tag(block_zero[:32], sealed, associated_data), tag):
            raise InvalidTag
        return plain

    def _xor(self, nonce: bytes, data: Chunk) -> tuple[bytes, bytes]:
        """Return the keystream's first block and the data under the blocks after it."""
        keystream = Cipher(ChaCha20(self._key, bytes(8) + nonce), None).encryptor()
        return keystream.update(bytes(64)), keystream.update(data)

    @staticmethod
    def _tag(key: bytes, sealed: Chunk, associated_data: bytes | None) -> bytes:
        ad = associated_data or b""
        poly = Poly1305(key)
        poly.update(ad + struct.pack("<Q", len(ad)))
        poly.update(sealed)
        poly.update(struct.pack("<Q", len(sealed)))
        return poly.finalize()


class XChaCha20Poly1305:
    """XChaCha20-Poly1305: a nonce of 24 bytes.

    Source: draft-irtf-cfrg-xchacha-03: HChaCha20 makes a key of the first 16 bytes of the nonce,
    the rest goes into ChaCha20-Poly1305 of RFC 8439.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encrypt(self, nonce: bytes, data: Chunk, associated_data: bytes | None, /) -> bytes:
        """Return ciphertext and tag."""
        return self._inner(nonce).encrypt(bytes(4) + nonce[16:], data, associated_data)

    def decrypt(self, nonce: bytes, data: Chunk, associated_data: bytes | None, /) -> bytes:
        """Return the plaintext.

        Raises:
            InvalidTag: the tag does not fit.
        """
        return self._inner(nonce).decrypt(bytes(4) + nonce[16:], data, associated_data)

    def _inner(self, nonce: bytes) -> ChaCha20Poly1305:
        return ChaCha20Poly1305(hchacha20(self._key, nonce[:16]))


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """Derive 32 bytes from a key of 32 and a nonce of 16 (draft-irtf-cfrg-xchacha-03, 2.2).

    HChaCha20 is ChaCha20's block function without the last addition; here it is a keystream block
    with that addition taken back, so that the rounds run in C.
    """
    block = Cipher(ChaCha20(key, nonce), None).encryptor().update(bytes(64))
    words = struct.unpack("<16I", block)
    added = struct.unpack("<8I", b"expand 32-byte k" + nonce)
    kept = words[:4] + words[12:]
    return struct.pack("<8I", *((w - a) & 0xFFFFFFFF for w, a in zip(kept, added, strict=True)))


AEAD_METHODS: Mapping[str, AeadMethod] = MappingProxyType(
    {
        method.name: method
        for method in (
            *(AeadMethod(f"aes-{bits}-gcm", bits // 8, 12, AESGCM) for bits in (128, 192, 256)),
            *(AeadMethod(f"aes-{bits}-ccm", bits // 8, 12, AESCCM) for bits in (128, 192, 256)),
            AeadMethod("chacha20-poly1305", 32, 8, OriginalChaCha20Poly1305),
            AeadMethod("chacha20-ietf-poly1305", 32, 12, ChaCha20Poly1305),
            AeadMethod("xchacha20-ietf-poly1305", 32, 24, XChaCha20Poly1305),
        )
    }
)
"""Every authenticated cipher, by name."""
