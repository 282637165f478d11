"""``salt`` and then sealed chunks in each direction: what the aead presets share.

::

    salt  { padding  seal(length 2)  seal(data) }...

The salt is as long as the key. The nonce is a little-endian counter from 0 that every seal takes
one of; there is no associated data.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag

from blinktun.crypto.aead import TAG_SIZE, AeadKey, AeadMethod
from blinktun.effects import Effect, Forward, Reject
from blinktun.presets.base import Preset, PresetContext, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from blinktun.effects import Chunk
    from blinktun.presets.replay import ReplayGuard

_MAX_SENT = 0x3FFF
# blinksocks 2.5 sends one byte more than the format allows about once in 256 chunks.
_MAX_TAKEN = 0x4000
_SEALED_LENGTH = 2 + TAG_SIZE


class SealedChunks(Preset):
    """Encryption with integrity: a changed byte ends the connection.

    Args:
        method: The cipher.
        context: The connection.
        pad_factor: Times the first byte of a tag that both ends can compute is how many random
            bytes stand in front of each chunk; 0: none do.
    """

    def __init__(
        self,
        method: AeadMethod,
        context: PresetContext,
        *,
        pad_factor: int = 0,
    ) -> None:
        self._method = method
        # A client takes what its server sends: old ones repeat themselves.
        self._replays: ReplayGuard | None = context.replays if context.role is Role.SERVER else None
        self._random = context.random
        self._pad_factor = pad_factor
        self._sealer: _Sealer | None = None
        self._salt = b""  # the peer's
        self._opener: _Opener | None = None
        self._pending: Chunk = b""  # less than a padded and sealed chunk of _MAX_TAKEN

    @abstractmethod
    def _subkey(self, salt: bytes) -> AeadKey:
        """Derive the key of one direction."""

    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Seal in chunks as large as the format allows, never an empty one."""
        if not data:
            return ()
        if self._sealer:
            return (Forward(b"".join(self._sealer.seal(data))),)
        salt = self._random(self._method.key_size)
        self._sealer = _Sealer(self._direction(salt), self._random)
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
            self._opener = _Opener(self._direction(self._salt))
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

    def _is_replay(self) -> bool:
        """Look once, when a tag has shown that the salt is a client's: noise is not remembered."""
        if self._replays is None or self._opener is None or not self._opener.has_opened:
            return False
        replays, self._replays = self._replays, None
        return not replays.is_new(self._salt)

    def _direction(self, salt: bytes) -> _Direction:
        return _Direction(self._subkey(salt), self._method.nonce_size, self._pad_factor)


class _UnsealableError(Exception):
    """A chunk that our peer cannot have sealed."""


class _Direction:
    """Key and nonces of one direction."""

    __slots__ = ("_nonce_size", "_pad_factor", "counter", "key")

    def __init__(self, key: AeadKey, nonce_size: int, pad_factor: int) -> None:
        self.key = key
        self.counter = 0
        self._nonce_size = nonce_size
        self._pad_factor = pad_factor

    def next_nonce(self) -> bytes:
        """Take a nonce."""
        nonce = self.counter.to_bytes(self._nonce_size, "little")
        self.counter += 1
        return nonce

    def padding(self) -> int:
        """How many bytes stand in front of the chunk whose length takes the next nonce."""
        if not self._pad_factor:
            return 0
        nonce = self.counter.to_bytes(self._nonce_size, "little")
        return self._pad_factor * self.key.encrypt(nonce, nonce, None)[-TAG_SIZE]


class _Sealer:
    """Seals one direction."""

    __slots__ = ("_direction", "_random")

    def __init__(self, direction: _Direction, random: Callable[[int], bytes]) -> None:
        self._direction = direction
        self._random = random

    def seal(self, data: Chunk) -> list[bytes]:
        """Cut the data, and return padding, a sealed length and a sealed chunk for each piece."""
        direction = self._direction
        encrypt, next_nonce = direction.key.encrypt, direction.next_nonce
        view = memoryview(data)
        sealed: list[bytes] = []
        for start in range(0, len(view), _MAX_SENT):
            chunk = view[start : start + _MAX_SENT]
            if padding := direction.padding():
                sealed.append(self._random(padding))
            sealed.append(encrypt(next_nonce(), len(chunk).to_bytes(2, "big"), None))
            sealed.append(encrypt(next_nonce(), chunk, None))
        return sealed


class _Opener:
    """Opens one direction."""

    __slots__ = ("_direction", "_length", "_padding")

    def __init__(self, direction: _Direction) -> None:
        self._direction = direction
        self._padding = direction.padding()  # in front of the next length
        self._length = -1  # of the chunk that comes next; -1: its sealed length comes first

    @property
    def inside_chunk(self) -> bool:
        """Whether a length has been read and its chunk has not."""
        return self._length >= 0

    @property
    def has_opened(self) -> bool:
        """Whether a length or chunk has been opened, if none has failed."""
        return self._direction.counter > 0

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
                start = position + self._padding
                after = start + _SEALED_LENGTH
                if after > end:
                    return position
                length = int.from_bytes(self._open(view[start:after], "length"), "big")
                if length > _MAX_TAKEN:
                    raise _UnsealableError(f"a chunk of {length} bytes is longer than {_MAX_SENT}")
                self._length, position = length, after
            after = position + self._length + TAG_SIZE
            if after > end:
                return position
            plain.append(self._open(view[position:after], "data"))
            self._length, self._padding, position = -1, self._direction.padding(), after

    def _open(self, sealed: memoryview, what: str) -> bytes:
        try:
            return self._direction.key.decrypt(self._direction.next_nonce(), sealed, None)
        except InvalidTag:
            raise _UnsealableError(f"the tag of a chunk's {what} does not fit") from None


def _forward(plain: list[bytes]) -> tuple[Effect, ...]:
    data = plain[0] if len(plain) == 1 else b"".join(plain)
    return (Forward(data),) if data else ()
