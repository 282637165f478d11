"""ss-aead-cipher: ``salt`` and then sealed chunks in each direction (blinksocks wire, 5.4).

A datagram is ``salt`` and one sealed chunk without a length.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag

from blinktun.crypto.aead import AEAD_METHODS, TAG_SIZE, AeadKey, AeadMethod
from blinktun.crypto.kdf import evp_bytes_to_key, hkdf_sha1
from blinktun.errors import RemoteError
from blinktun.presets.base import PresetContext, PresetMaker, choose
from blinktun.presets.sealed_chunks import SealedChunks

if TYPE_CHECKING:
    from collections.abc import Mapping


class SsAeadCipher(SealedChunks):
    """Encryption with integrity, as in shadowsocks."""

    salts_datagrams = True

    def __init__(self, method: AeadMethod, context: PresetContext) -> None:
        super().__init__(method, context)
        self._key = evp_bytes_to_key(context.key, method.key_size)

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Check ``method`` (default aes-256-gcm)."""
        method = choose(params, "method", AEAD_METHODS, default="aes-256-gcm")
        return partial(cls, method)

    def encode_datagram(self, data: bytes) -> bytes:
        """Seal under a salt of its own."""
        salt = self._random(self._method.key_size)
        return salt + self._subkey(salt).encrypt(bytes(self._method.nonce_size), data, None)

    def decode_datagram(self, data: bytes) -> bytes:
        """Open."""
        salt, sealed = data[: self._method.key_size], data[self._method.key_size :]
        if len(sealed) < TAG_SIZE:
            raise RemoteError("a datagram is too short to be sealed")
        try:
            return self._subkey(salt).decrypt(bytes(self._method.nonce_size), sealed, None)
        except InvalidTag:
            raise RemoteError("the tag of a datagram does not fit") from None

    def _subkey(self, salt: bytes) -> AeadKey:
        size = self._method.key_size
        return self._method.key(hkdf_sha1(salt=salt, ikm=self._key, info=b"ss-subkey", size=size))
