"""From a password to keys."""

from __future__ import annotations

import hashlib
import hmac


def evp_bytes_to_key(password: str | bytes, size: int) -> bytes:
    """Derive a key as shadowsocks does: OpenSSL's EVP_BytesToKey, MD5, one round, no salt.

    Args:
        password: Text (taken as UTF-8) or bytes.
        size: Length of the key in bytes.
    """
    secret = password.encode() if isinstance(password, str) else password
    key = block = b""
    while len(key) < size:
        block = md5(block, secret)
        key += block
    return key[:size]


def hkdf_sha1(*, salt: bytes, ikm: bytes, info: bytes, size: int) -> bytes:
    """Derive ``size`` bytes (at most 5100) with HKDF-SHA1 (RFC 5869)."""
    pseudorandom_key = hmac.digest(salt, ikm, "sha1")
    okm = block = b""
    counter = 0
    while len(okm) < size:
        counter += 1
        block = hmac.digest(pseudorandom_key, block + info + bytes((counter,)), "sha1")
        okm += block
    return okm[:size]


def rc4_session_key(key: bytes, iv: bytes) -> bytes:
    """Mix an IV into a key, as the rc4-md5 methods do: ``MD5(key || iv)``."""
    return md5(key, iv)


def md5(*parts: bytes) -> bytes:
    """Digest parts, one behind the other: an ingredient of old formats, no protection."""
    return hashlib.md5(b"".join(parts), usedforsecurity=False).digest()
