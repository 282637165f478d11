"""ss-stream-cipher: ``IV || stream`` in each direction or datagram (blinksocks wire, 5.3)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm

from blinktun.config.explain import shown
from blinktun.crypto.kdf import evp_bytes_to_key
from blinktun.crypto.stream import STREAM_METHODS, StreamMethod, Transform
from blinktun.effects import Effect, Forward, Reject
from blinktun.errors import ConfigError, RemoteError
from blinktun.presets.base import Preset, PresetContext, PresetMaker, Role, choose

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blinktun.effects import Chunk

_DEFAULT = "aes-256-ctr"


class SsStreamCipher(Preset):
    """Encryption without integrity: whoever can change bytes on the way can change the plaintext.

    Attributes:
        user_key: The key derived from the password.
        client_iv: The IV that the client chose; on a server None until it has arrived.
    """

    def __init__(self, method: StreamMethod, context: PresetContext) -> None:
        self._method = method
        self.salts_datagrams = method.iv_size >= 8
        self._replays = context.replays
        self._role = context.role
        self._random = context.random
        self.user_key = evp_bytes_to_key(context.key, method.key_size)
        # Always our own: a server that echoes the client's IV reuses its key stream.
        self._iv = context.random(method.iv_size) if method.iv_size else b""
        self.client_iv = self._iv if self._role is Role.CLIENT else None
        self._encryption: Transform | None = None
        self._decryption: Transform | None = None
        self._peer_iv = b""  # incomplete while there is no decryption

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Check ``method`` (default aes-256-ctr), also against the crypto library at hand."""
        method = choose(params, "method", STREAM_METHODS, default=_DEFAULT)
        try:
            method.encryptor(bytes(method.key_size), bytes(method.iv_size))
        except UnsupportedAlgorithm:
            raise ConfigError(
                "is not available in this build of OpenSSL",
                key="method",
                value=shown(method.name),
                fix=f"use another method, such as {_DEFAULT}",
            ) from None
        return partial(cls, method)

    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Encrypt; the IV goes out with the first bytes."""
        if not data:
            return ()
        if self._encryption:
            return (Forward(self._encryption.update(data)),)
        self._encryption = self._method.encryptor(self.user_key, self._iv)
        return (Forward(b"".join((self._iv, self._encryption.update(data)))),)

    def decode(self, data: Chunk) -> Iterable[Effect]:
        """Decrypt, once the IV is complete."""
        if self._decryption:
            return (Forward(self._decryption.update(data)),)
        missing = self._method.iv_size - len(self._peer_iv)
        self._peer_iv += data[:missing]
        if len(data) < missing:
            return ()
        if self._role is Role.SERVER:
            self.client_iv = self._peer_iv
        self._decryption = self._method.decryptor(self.user_key, self._peer_iv)
        rest = data[missing:]
        return (Forward(self._decryption.update(rest)),) if rest else ()

    def on_authenticated(self) -> Reject | None:
        """Refuse an IV of an earlier connection; before, it may be noise, which is not kept."""
        if (
            self.client_iv
            and self._role is Role.SERVER
            and not self._replays.is_new(self.client_iv)
        ):
            return Reject("the IV was used by an earlier connection")
        return None

    def decode_eof(self) -> Iterable[Effect]:
        """Refuse an end inside the IV."""
        inside = self._peer_iv and not self._decryption
        return (Reject("ended inside the IV"),) if inside else ()

    def encode_datagram(self, data: bytes) -> bytes:
        """Encrypt under an IV of its own."""
        iv = self._random(self._method.iv_size) if self._method.iv_size else b""
        return iv + self._method.encryptor(self.user_key, iv).update(data)

    def decode_datagram(self, data: bytes) -> bytes:
        """Decrypt."""
        iv, sealed = data[: self._method.iv_size], data[self._method.iv_size :]
        if len(iv) < self._method.iv_size:
            raise RemoteError("a datagram ends inside the IV")
        return bytes(self._method.decryptor(self.user_key, iv).update(sealed))
