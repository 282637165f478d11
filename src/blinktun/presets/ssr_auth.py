"""What the presets of ShadowsocksR have in common (blinksocks wire, 5.6 and 5.7).

They authenticate a client by a handshake, and then cut each direction into chunks with a MAC. The
keys come from the ss-stream-cipher behind them, which is what hides their bytes.
"""

from __future__ import annotations

import struct
from abc import abstractmethod
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from blinktun.crypto.kdf import md5
from blinktun.effects import Effect, Forward, Reject
from blinktun.errors import LocalError, RemoteError
from blinktun.presets.base import Preset, PresetContext, PresetMaker, Role
from blinktun.presets.ss_stream_cipher import SsStreamCipher

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from blinktun.effects import Chunk

MAX_CLOCK_DIFFERENCE = 30
"""Seconds by which the clocks of both ends may differ."""


class SsrAuth(Preset):
    """A handshake from the client, and chunks in both directions.

    Attributes:
        salt: What tells the key of the handshake from that of other presets.
    """

    needs_behind = "ss-stream-cipher"
    salt: ClassVar[bytes]

    def __init__(self, context: PresetContext) -> None:
        self._replays = context.replays
        self._is_client = context.role is Role.CLIENT
        self._random = context.random
        self._clock = context.clock
        if self._is_client:
            self._client_id = context.random(4)
            self._connection_id = int.from_bytes(context.random(3), "little") + 1
        self._awaiting_handshake = not self._is_client
        self._pending: Chunk = b""  # less than a handshake or a chunk
        self._cipher: SsStreamCipher

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Return the maker; there are no parameters, and unknown ones are ignored as upstream."""
        del params
        return cls

    def attach(self, siblings: Sequence[Preset]) -> None:
        """Find the preset that has the keys."""
        behind = siblings[siblings.index(self) + 1 :]
        ciphers = [preset for preset in behind if isinstance(preset, SsStreamCipher)]
        if not ciphers:
            raise LocalError(f"no {self.needs_behind} stands behind this preset")
        self._cipher = ciphers[0]

    def decode(self, data: Chunk) -> Iterable[Effect]:
        """Take the handshake and every complete chunk; a fault ends it, behind what came before."""
        view = memoryview(b"".join((self._pending, data)) if self._pending else data)
        sealed: list[Chunk] = []
        refused: tuple[Effect, ...] = ()
        try:
            used = self._take_handshake(view, sealed) if self._awaiting_handshake else 0
            if not self._awaiting_handshake:
                used = self._take_chunks(view, used, sealed)
            self._pending = bytes(view[used:])
        except RemoteError as error:
            refused = (Reject(str(error)),)
        plain = self._opened(sealed)
        return (Forward(plain), *refused) if plain else refused

    def decode_eof(self) -> Iterable[Effect]:
        """Refuse an end inside the handshake or a chunk."""
        if self._awaiting_handshake:
            return (Reject("ended inside the handshake"),)
        return (Reject("ended inside a chunk"),) if self._pending else ()

    @abstractmethod
    def _take_handshake(self, view: memoryview, sealed: list[Chunk]) -> int:
        """Take the handshake if it is complete, and call ``_admit``.

        Returns:
            How many bytes were used; 0 while it is not complete.

        Raises:
            RemoteError: it is not from a client.
        """

    @abstractmethod
    def _take_chunks(self, view: memoryview, position: int, sealed: list[Chunk]) -> int:
        """Append what every complete chunk carries; returns where the first incomplete one starts.

        Raises:
            RemoteError: a chunk is not what the other end has sent.
        """

    def _opened(self, sealed: list[Chunk]) -> Chunk:
        """Return the plaintext of what chunks carried."""
        return sealed[0] if len(sealed) == 1 else b"".join(sealed)

    @property
    def _user_key(self) -> bytes:
        return self._cipher.user_key

    @property
    def _first_key(self) -> bytes:
        """The MAC key of the first bytes."""
        return (self._cipher.client_iv or b"") + self._cipher.user_key

    def _stamp(self, first: int, second: int) -> bytes:
        """Say who and when we are, with two lengths; 16 bytes."""
        now = int(self._clock()) & 0xFFFFFFFF
        stamp = Stamp(now, self._client_id, self._connection_id, first, second)
        return stamp.seal(self._user_key, self.salt)

    def _open_stamp(self, block: bytes) -> Stamp:
        """Open what has been shown to come from a client.

        Raises:
            RemoteError: it is too old or too new.
        """
        stamp = Stamp.open(block, self._user_key, self.salt)
        difference = stamp.utc - int(self._clock())
        if abs(difference) > MAX_CLOCK_DIFFERENCE:
            raise RemoteError(f"the client's clock differs by {difference} s")
        return stamp

    def _admit(self, token: bytes) -> None:
        """Let a client in whose handshake is right.

        Args:
            token: What is unique in it, covered by a MAC.

        Raises:
            RemoteError: it was used before.
        """
        if not self._replays.is_new(token):
            raise RemoteError("the handshake was used by an earlier connection")
        self._awaiting_handshake = False


@dataclass(frozen=True, slots=True)
class Stamp:
    """The part of a handshake that is encrypted: one block of AES.

    Attributes:
        utc: Seconds since 1970 by the client's clock, 32 bits.
        client_id: 4 bytes; servers ignore them.
        connection_id: 32 bits; servers ignore it.
        first: The pack length (aes128) or the overhead (chain), 16 bits.
        second: The length of the random part (aes128) or 0 (chain), 16 bits.
    """

    utc: int
    client_id: bytes
    connection_id: int
    first: int
    second: int

    def seal(self, user_key: bytes, salt: bytes) -> bytes:
        """Encrypt it."""
        block = _STAMP.pack(self.utc, self.client_id, self.connection_id, self.first, self.second)
        return _aes(user_key, salt).encryptor().update(block)

    @classmethod
    def open(cls, block: bytes, user_key: bytes, salt: bytes) -> Stamp:
        """Decrypt one; any 16 bytes give something."""
        return cls(*_STAMP.unpack(_aes(user_key, salt).decryptor().update(block)))


_STAMP = struct.Struct("<I4sIHH")


def _aes(user_key: bytes, salt: bytes) -> Cipher[CBC]:
    return Cipher(AES(md5(b64encode(user_key), salt)), CBC(bytes(16)))
