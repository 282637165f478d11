"""ss-aead-cipher: ``salt`` and then sealed chunks in each direction (blinksocks wire, 5.4).

A datagram is ``salt`` and one sealed chunk without a length.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag

from blinktun.crypto.aead import AEAD_METHODS, TAG_SIZE, AeadKey, AeadMethod
from blinktun.crypto.kdf import evp_bytes_to_key, hkdf_sha1
from blinktun.effects import Effect, Forward, Reject
from blinktun.errors import RemoteError
from blinktun.presets.base import Preset, PresetContext, PresetMaker, Role, choose
from blinktun.presets.replay import ReplayGuard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blinktun.effects import Chunk

_MAX_SENT = 0x3FFF
# blinksocks 2.5 sends one byte more than the format allows about once in 256 chunks.
_MAX_TAKEN = 0x4000
_SEALED_LENGTH = 2 + TAG_SIZE


class SsAeadCipher(Preset):
    """Encryption with integrity: a changed byte ends the connection."""

    def __init__(self, method: AeadMethod, replays: ReplayGuard, context: PresetContext) -> None:
        self._method = method
        # A client takes what its server sends: old ones repeat themselves.
        self._replays = replays if context.role is Role.SERVER else None
        self._key = evp_bytes_to_key(context.key, method.key_size)
        self._random = context.random
        self._sealer: _Sealer | None = None
        self._salt = b""  # the peer's
        self._opener: _Opener | None = None
        self._pending: Chunk = b""  # less than a sealed chunk of _MAX_TAKEN

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Check ``method`` (default aes-256-gcm)."""
        method = choose(params, "method", AEAD_METHODS, default="aes-256-gcm")
        return partial(cls, method, ReplayGuard())

    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Seal in chunks as large as the format allows, never an empty one."""
        if not data:
            return ()
        if self._sealer:
            return (Forward(b"".join(self._sealer.seal(data))),)
        salt = self._random(self._method.key_size)
        self._sealer = _Sealer(self._subkey(salt), self._method.nonce_size)
        return (Forward(b"".join((salt, *self._sealer.seal(data)))),)

    def decode(self, data: Chunk) -> Iterable[Effect]:
        """Open every complete chunk; a chunk that fails ends it, behind what came before."""
        view = memoryview(b"".join((self._pending, data)) if self._pending else data)
        if self._opener is None:
            salt_size = self._method.key_size
            if len(view) < salt_size:
                self._pending = bytes(view)
                return ()
            self._salt = bytes(view[:salt_size])
            self._opener = _Opener(self._subkey(self._salt), self._method.nonce_size)
            view = view[salt_size:]
        plain: list[bytes] = []
        try:
            used = self._opener.open(view, plain)
        except _UnsealableError as error:
            return (*_forward(plain), Reject(str(error)))
        if self._is_replay():
            return (Reject("the salt was used by an earlier connection"),)
        self._pending = bytes(view[used:])
        return _forward(plain)

    def decode_eof(self) -> Iterable[Effect]:
        """Refuse an end inside the salt or a chunk: somebody cut the stream."""
        inside = self._pending or (self._opener is not None and self._opener.inside_chunk)
        return (Reject("ended inside a sealed chunk"),) if inside else ()

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

    def _is_replay(self) -> bool:
        """Look once, when a tag has shown that the salt is a client's: noise is not remembered."""
        if self._replays is None or self._opener is None or not self._opener.has_opened:
            return False
        replays, self._replays = self._replays, None
        return not replays.is_new(self._salt)

    def _subkey(self, salt: bytes) -> AeadKey:
        size = self._method.key_size
        return self._method.key(hkdf_sha1(salt=salt, ikm=self._key, info=b"ss-subkey", size=size))


class _UnsealableError(Exception):
    """A chunk that our peer cannot have sealed."""


class _Sealer:
    """Seals one direction; the nonce is a little-endian counter from 0."""

    def __init__(self, key: AeadKey, nonce_size: int) -> None:
        self._encrypt = key.encrypt
        self._nonce_size = nonce_size
        self._counter = 0

    def seal(self, data: Chunk) -> list[bytes]:
        """Cut the data, and return a sealed length and a sealed chunk for each piece."""
        encrypt, size, counter = self._encrypt, self._nonce_size, self._counter
        view = memoryview(data)
        sealed: list[bytes] = []
        for start in range(0, len(view), _MAX_SENT):
            chunk = view[start : start + _MAX_SENT]
            length = len(chunk).to_bytes(2, "big")
            sealed.append(encrypt(counter.to_bytes(size, "little"), length, None))
            sealed.append(encrypt((counter + 1).to_bytes(size, "little"), chunk, None))
            counter += 2
        self._counter = counter
        return sealed


class _Opener:
    """Opens one direction."""

    def __init__(self, key: AeadKey, nonce_size: int) -> None:
        self._decrypt = key.decrypt
        self._nonce_size = nonce_size
        self._counter = 0
        self._length = -1  # of the chunk that comes next; -1: its sealed length comes first

    @property
    def inside_chunk(self) -> bool:
        """Whether a length has been read and its chunk has not."""
        return self._length >= 0

    @property
    def has_opened(self) -> bool:
        """Whether a length or chunk has been opened, if none has failed."""
        return self._counter > 0

    def open(self, view: memoryview, plain: list[bytes]) -> int:
        """Append the plaintext of every complete chunk to ``plain``.

        Returns:
            How many bytes were used.

        Raises:
            _UnsealableError: a tag or a length is wrong.
        """
        position, end = 0, len(view)
        while True:
            if self._length < 0:
                after = position + _SEALED_LENGTH
                if after > end:
                    return position
                length = int.from_bytes(self._open(view[position:after], "length"), "big")
                if length > _MAX_TAKEN:
                    raise _UnsealableError(f"a chunk of {length} bytes is longer than {_MAX_SENT}")
                self._length, position = length, after
            after = position + self._length + TAG_SIZE
            if after > end:
                return position
            plain.append(self._open(view[position:after], "data"))
            self._length, position = -1, after

    def _open(self, sealed: memoryview, what: str) -> bytes:
        nonce = self._counter.to_bytes(self._nonce_size, "little")
        self._counter += 1
        try:
            return self._decrypt(nonce, sealed, None)
        except InvalidTag:
            raise _UnsealableError(f"the tag of a chunk's {what} does not fit") from None


def _forward(plain: list[bytes]) -> tuple[Effect, ...]:
    data = plain[0] if len(plain) == 1 else b"".join(plain)
    return (Forward(data),) if data else ()
