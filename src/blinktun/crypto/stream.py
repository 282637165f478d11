"""Stream ciphers by the names of shadowsocks and blinksocks (blinksocks wire, 5.3)."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4, Camellia
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES, ChaCha20
from cryptography.hazmat.primitives.ciphers.modes import CTR

from blinktun.crypto.kdf import rc4_session_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from blinktun.effects import Chunk


class Transform(Protocol):
    """A running cipher in one direction; every call continues where the last one ended."""

    def update(self, data: Chunk, /) -> Chunk:
        """Return ``data`` transformed, of the same length."""


@dataclass(frozen=True, slots=True)
class StreamMethod:
    """One stream cipher.

    Attributes:
        name: As in configurations.
        key_size: Bytes of key.
        iv_size: Bytes of IV; 0 for ``none``.
        encryptor: ``(key, iv)`` to a running encryption.
        decryptor: ``(key, iv)`` to a running decryption.
    """

    name: str
    key_size: int
    iv_size: int
    encryptor: Callable[[bytes, bytes], Transform]
    decryptor: Callable[[bytes, bytes], Transform]


def rc4(key: bytes) -> Transform:
    """Start RC4, whose two directions are the same, under a key of 16 bytes.

    Raises:
        UnsupportedAlgorithm: this build of OpenSSL has no RC4.
    """
    return _rc4(key).encryptor()


class _BothWays(Protocol):
    def encryptor(self) -> Transform: ...
    def decryptor(self) -> Transform: ...


class _Identity:
    def update(self, data: Chunk, /) -> Chunk:
        return data


def _method(
    name: str, key_size: int, iv_size: int, cipher: Callable[[bytes, bytes], _BothWays]
) -> StreamMethod:
    return StreamMethod(
        name,
        key_size,
        iv_size,
        lambda key, iv: cipher(key, iv).encryptor(),
        lambda key, iv: cipher(key, iv).decryptor(),
    )


def _aes_ctr(key: bytes, iv: bytes) -> _BothWays:
    return Cipher(AES(key), CTR(iv))


def _aes_cfb(key: bytes, iv: bytes) -> _BothWays:
    return Cipher(AES(key), CFB(iv))


def _camellia_cfb(key: bytes, iv: bytes) -> _BothWays:
    return Cipher(Camellia(key), CFB(iv))


def _rc4_md5(key: bytes, iv: bytes) -> _BothWays:
    return _rc4(rc4_session_key(key, iv))


def _rc4(key: bytes) -> _BothWays:
    return Cipher(ARC4(key), None)


def _chacha20_ietf(key: bytes, iv: bytes) -> _BothWays:
    # The library wants the 32-bit block counter, little endian from 0, in front of the nonce.
    return Cipher(ChaCha20(key, bytes(4) + iv), None)


def _none(_key: bytes, _iv: bytes) -> Transform:
    return _Identity()


STREAM_METHODS: Mapping[str, StreamMethod] = MappingProxyType(
    {
        method.name: method
        for method in (
            *(_method(f"aes-{bits}-ctr", bits // 8, 16, _aes_ctr) for bits in (128, 192, 256)),
            *(_method(f"aes-{bits}-cfb", bits // 8, 16, _aes_cfb) for bits in (128, 192, 256)),
            *(
                _method(f"camellia-{bits}-cfb", bits // 8, 16, _camellia_cfb)
                for bits in (128, 192, 256)
            ),
            _method("rc4-md5", 16, 16, _rc4_md5),
            _method("rc4-md5-6", 16, 6, _rc4_md5),
            _method("chacha20-ietf", 32, 12, _chacha20_ietf),
            StreamMethod("none", 16, 0, _none, _none),
        )
    }
)
"""Every stream cipher, by name."""
