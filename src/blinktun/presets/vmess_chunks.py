"""The data of a VMess connection: masked lengths, sealed bodies (blinksocks wire, 5.8).

blinksocks sends ``u16be(length xor mask) || body``. v2ray pads sealed bodies in addition.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from itertools import repeat
from types import MappingProxyType
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHAKE128, XOFHash

from blinktun.crypto.aead import AEAD_METHODS, TAG_SIZE, AeadKey
from blinktun.errors import RemoteError
from blinktun.presets.vmess_request import md5

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from blinktun.effects import Chunk

MASKED, PADDED = 4, 8
"""Bits of a request's options. Bit 1, chunks, is always set; bit 2 has lost its meaning."""
OPTIONS = 1 | MASKED
"""What blinksocks sends, and what its releases can read."""

_MAX_SENT = 0x3FFF
_NONCES = 1 << 16
"""Nonces of a direction: their counter has 16 bits."""
_MASKS = struct.Struct(">128H")


@dataclass(frozen=True, slots=True)
class Security:
    """A cipher for the bodies of chunks.

    Attributes:
        name: As in configurations.
        number: As in requests.
        key: Makes a usable key of a direction's 16 bytes; None: bodies are plain.
    """

    name: str
    number: int
    key: Callable[[bytes], AeadKey] | None


def _chacha20_poly1305(key: bytes) -> AeadKey:
    half = md5(key)
    return AEAD_METHODS["chacha20-ietf-poly1305"].key(half + md5(half))


SECURITIES: Mapping[str, Security] = MappingProxyType(
    {
        security.name: security
        for security in (
            Security("aes-128-gcm", 3, AEAD_METHODS["aes-128-gcm"].key),
            Security("chacha20-poly1305", 4, _chacha20_poly1305),
            Security("none", 5, None),
        )
    }
)
"""Every security, by name."""


class _Chunks:
    """What both ends of a direction count and draw alike."""

    def __init__(self, security: Security, options: int, key: bytes, iv: bytes) -> None:
        self._key = security.key(key) if security.key else None
        self._masks = _masks(iv) if options & MASKED else repeat(0)
        # Padding has no form of its own without masks, and none around plain bodies.
        self._is_padded = self._key is not None and options & (MASKED | PADDED) == MASKED | PADDED
        self._nonce_end = iv[2:12]
        self._counter = 0

    def _next_padding(self) -> int:
        return next(self._masks) % 64 if self._is_padded else 0

    @property
    def nonces_left(self) -> int:
        """How many chunks can be sealed before a nonce would come a second time."""
        return _NONCES - self._counter

    def _next_nonce(self) -> bytes:
        counter, self._counter = self._counter, self._counter + 1
        return (counter % _NONCES).to_bytes(2, "big") + self._nonce_end


class NoncesUsedUpError(Exception):
    """Another chunk would be sealed under a nonce that has been used, which gives both away."""

    def __init__(self) -> None:
        super().__init__(f"{_NONCES} chunks are all that one connection can seal: open another")


class ChunkSealer(_Chunks):
    """Writes one direction, up to 65,536 sealed chunks: 1 GiB if they are full."""

    def __init__(
        self,
        security: Security,
        options: int,
        key: bytes,
        iv: bytes,
        *,
        random: Callable[[int], bytes],
    ) -> None:
        super().__init__(security, options, key, iv)
        self._random = random

    def seal(self, data: Chunk) -> list[Chunk]:
        """Cut the data into chunks as large as the format allows, never an empty one.

        Raises:
            NoncesUsedUpError: it cannot be sealed; nothing of it was.
        """
        view = memoryview(data)
        if self._key and -(-len(view) // _MAX_SENT) > self.nonces_left:
            raise NoncesUsedUpError
        sealed: list[Chunk] = []
        for start in range(0, len(view), _MAX_SENT):
            body: Chunk = view[start : start + _MAX_SENT]
            if self._key:
                body = self._key.encrypt(self._next_nonce(), body, None)
            padding = self._next_padding()
            length = (len(body) + padding) ^ next(self._masks)
            sealed += (length.to_bytes(2, "big"), body)
            if padding:
                sealed.append(self._random(padding))
        return sealed


class ChunkOpener(_Chunks):
    """Reads one direction.

    v2ray begins its nonces again after 65,536 chunks, of which this end is only told.
    """

    def __init__(self, security: Security, options: int, key: bytes, iv: bytes) -> None:
        super().__init__(security, options, key, iv)
        self._length = -1  # of the chunk that comes next; -1: its length comes first
        self._padding = 0  # of the same

    @property
    def inside_chunk(self) -> bool:
        """Whether a length has been read and its chunk has not."""
        return self._length >= 0

    def open(self, view: memoryview, plain: list[Chunk]) -> int:
        """Append the plaintext of every complete chunk to ``plain``.

        Returns:
            How many bytes were used; a chunk is at most 65,535.

        Raises:
            RemoteError: a tag or a length is wrong.
        """
        position, end = 0, len(view)
        while True:
            if self._length < 0:
                after = position + 2
                if after > end:
                    return position
                self._padding = self._next_padding()
                self._length = int.from_bytes(view[position:after], "big") ^ next(self._masks)
                position = after
            after = position + self._length
            if after > end:
                return position
            # v2ray says with an empty chunk that it has nothing more to send.
            plain.append(self._open(view[position : after - self._padding]))
            self._length, position = -1, after

    def _open(self, body: memoryview) -> Chunk:
        if self._key is None:
            return body
        if self._length < TAG_SIZE + self._padding:
            raise RemoteError("a chunk is too short to be sealed")
        try:
            return self._key.decrypt(self._next_nonce(), body, None)
        except InvalidTag:
            raise RemoteError("the tag of a chunk does not fit") from None


def _masks(iv: bytes) -> Iterator[int]:
    stream = XOFHash(SHAKE128(digest_size=sys.maxsize))
    stream.update(iv)
    while True:
        yield from _MASKS.unpack(stream.squeeze(_MASKS.size))
