"""ssr-auth-chain-a and -b: encrypted chunks whose MACs form a chain (blinksocks wire, 5.7).

::

    part1   random(4)  hash1(8)
    part2   random(4) ^ hash1[8:12]  stamp(16)  hash2(4)

    chunk   size(2) ^ hash[14:16]  random  RC4(data)  random  MAC(2)

The hash of a direction is that of its last chunk; how many random bytes there are, and where, is
drawn from it and the size of the data.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from typing import TYPE_CHECKING, ClassVar

from cryptography.exceptions import UnsupportedAlgorithm

from blinktun.crypto.kdf import rc4_session_key
from blinktun.crypto.stream import Transform, rc4
from blinktun.crypto.xorshift import Xorshift128Plus
from blinktun.effects import Effect, Forward
from blinktun.errors import ConfigError, LocalError, RemoteError
from blinktun.presets.ssr_auth import SsrAuth
from blinktun.presets.ssr_lengths import LengthsA, LengthsB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from blinktun.effects import Chunk
    from blinktun.presets.base import PresetContext, PresetMaker
    from blinktun.presets.ssr_lengths import Lengths

_PART1, _PART2 = 12, 24
_HANDSHAKE = _PART1 + _PART2
_OVERHEAD = 4
_CLIENT_CUT, _SERVER_CUT = 2800, 1456
_MAX_CHUNK = 4095
_SERVER_GREETING = (1460).to_bytes(2, "little")
"""What a server puts before its first data, and a client ignores: a segment size."""
_MASK = 0xFFFFFFFF


class SsrAuthChain(SsrAuth):
    """The two presets; they differ in how they draw the lengths of random bytes."""

    lengths: ClassVar[type[Lengths]]

    def __init__(self, context: PresetContext) -> None:
        super().__init__(context)
        self._cut = _CLIENT_CUT if self._is_client else _SERVER_CUT
        self._greeting = b"" if self._is_client else _SERVER_GREETING
        self._unread_greeting = len(_SERVER_GREETING) if self._is_client else 0
        self._sealer: _Sealer | None = None
        self._opener: _Opener | None = None

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Check the crypto library at hand; there are no parameters."""
        try:
            rc4(bytes(16))
        except UnsupportedAlgorithm:
            raise ConfigError(
                "needs RC4, which OpenSSL here does not have", fix="use ssr-auth-aes128-sha1"
            ) from None
        return super().configure(params)

    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Cut into chunks; the handshake stands before a client's first."""
        if not data:
            return ()
        handshake = b""
        if self._sealer is None:
            handshake, self._sealer = self._greet()
        if self._greeting:
            data, self._greeting = b"".join((self._greeting, data)), b""
        return (Forward(b"".join((handshake, *self._sealer.seal(data, self._cut)))),)

    def encode_datagram(self, data: bytes) -> bytes:
        """Encrypt under a key of its own, with random bytes and one byte of MAC behind."""
        x = self._random(3 if self._is_client else 7)
        tag = _md5_mac(self._user_key, x)
        size = _datagram_filling(tag)
        filling = self._random(size) if size else b""
        uid = _xor(self._random(4), tag) if self._is_client else b""
        message = b"".join((self._rc4(tag).update(data), filling, x, uid))
        return message + _md5_mac(self._user_key, message)[:1]

    def decode_datagram(self, data: bytes) -> bytes:
        """Decrypt."""
        if len(data) < 8 or data[-1:] != _md5_mac(self._user_key, data[:-1])[:1]:
            raise RemoteError("the MAC of a datagram does not fit")
        tag = _md5_mac(self._user_key, data[-8:-1] if self._is_client else data[-8:-5])
        size = len(data) - 8 - _datagram_filling(tag)
        if size < 0:
            raise RemoteError("a datagram is shorter than its random bytes")
        return bytes(self._rc4(tag).update(data[:size]))

    def _greet(self) -> tuple[bytes, _Sealer]:
        """Make the handshake, and what follows from it."""
        if not self._is_client:
            raise LocalError("a server has nothing to say before the handshake")
        part1 = self._random(4)
        hash1 = _md5_mac(self._first_key, part1)
        part2 = _xor(self._random(4), hash1[8:]) + self._stamp(_OVERHEAD, 0)
        hash2 = _md5_mac(self._user_key, part2)
        sealer = self._start(hash1, hash2, _OVERHEAD)
        return b"".join((part1, hash1[:8], part2, hash2[:4])), sealer

    def _take_handshake(self, view: memoryview, sealed: list[Chunk]) -> int:
        del sealed
        if len(view) < _PART1:
            return 0
        hash1 = _md5_mac(self._first_key, view[:4])
        if not hmac.compare_digest(view[4:_PART1], hash1[:8]):
            raise RemoteError("the first MAC of the handshake does not fit")
        if len(view) < _HANDSHAKE:
            return 0
        token = bytes(view[_PART1 : _HANDSHAKE - 4])
        hash2 = _md5_mac(self._user_key, token)
        if not hmac.compare_digest(view[_HANDSHAKE - 4 : _HANDSHAKE], hash2[:4]):
            raise RemoteError("the second MAC of the handshake does not fit")
        stamp = self._open_stamp(token[4:])
        self._admit(token)
        self._sealer = self._start(hash1, hash2, stamp.first)
        return _HANDSHAKE

    def _start(self, client_hash: bytes, server_hash: bytes, overhead: int) -> _Sealer:
        """Start both directions: under the same key, from different hashes."""
        lengths = type(self).lengths(self._user_key, overhead)
        ours, theirs = client_hash, server_hash
        if not self._is_client:
            ours, theirs = theirs, ours
        self._opener = _Opener(self._user_key, theirs, lengths, self._rc4(client_hash))
        return _Sealer(self._user_key, ours, lengths, self._rc4(client_hash), self._random)

    def _take_chunks(self, view: memoryview, position: int, sealed: list[Chunk]) -> int:
        if self._opener is None:
            raise RemoteError("the server answered before it was asked")
        return self._opener.open(view, position, sealed)

    def _opened(self, sealed: list[Chunk]) -> Chunk:
        if not sealed or self._opener is None:
            return b""
        plain = self._opener.decrypt(super()._opened(sealed))
        if self._unread_greeting:
            skipped = min(self._unread_greeting, len(plain))
            self._unread_greeting -= skipped
            return plain[skipped:]
        return plain

    def _rc4(self, tag: bytes) -> Transform:
        return rc4(rc4_session_key(b64encode(self._user_key), b64encode(tag)))


class SsrAuthChainA(SsrAuthChain):
    """Random bytes by the size of the data."""

    salt = b"auth_chain_a"
    lengths = LengthsA


class SsrAuthChainB(SsrAuthChain):
    """Random bytes up to one of a set of sizes that follows from the key."""

    salt = b"auth_chain_b"
    lengths = LengthsB


class _Sealer:
    """Makes the chunks of one direction, numbered from 1."""

    def __init__(
        self,
        user_key: bytes,
        first_hash: bytes,
        lengths: Lengths,
        keystream: Transform,
        random: Callable[[int], bytes],
    ) -> None:
        self._user_key = user_key
        self._hash = first_hash
        self._lengths = lengths
        self._encrypt = keystream.update
        self._random = random
        self._number = 1

    def seal(self, data: Chunk, cut: int) -> list[bytes]:
        """Return the pieces of the chunks, with at most ``cut`` bytes of data in each."""
        sealed = self._encrypt(data)  # at once: the keystream runs on from chunk to chunk
        user_key, last, number = self._user_key, self._hash, self._number
        wire: list[bytes] = []
        for start in range(0, len(sealed), cut):
            piece = sealed[start : start + cut]
            size = len(piece)
            head = (size ^ (last[14] | last[15] << 8)).to_bytes(2, "little")
            filling, before = self._lengths.draw(last, size)
            if filling:
                noise = self._random(filling)
                chunk = b"".join((head, noise[:before], piece, noise[before:]))
            else:
                chunk = b"".join((head, piece))
            key = user_key + (number & _MASK).to_bytes(4, "little")
            last = hmac.digest(key, chunk, "md5")
            number += 1
            wire += (chunk, last[:2])
        self._hash, self._number = last, number
        return wire


class _Opener:
    """Opens the chunks of one direction."""

    def __init__(
        self, user_key: bytes, first_hash: bytes, lengths: Lengths, keystream: Transform
    ) -> None:
        self._user_key = user_key
        self._hash = first_hash
        self._lengths = lengths
        self.decrypt = keystream.update
        self._number = 1
        self._drawn: tuple[int, int, int] | None = None  # of the chunk that comes next

    def open(self, view: memoryview, position: int, sealed: list[Chunk]) -> int:
        """Append the ciphertext of every complete chunk.

        Returns:
            Where the first incomplete one starts.

        Raises:
            RemoteError: a MAC or a length is wrong.
        """
        end = len(view)
        while position + 4 <= end:
            size, filling, before = self._drawn or self._draw(view, position)
            after = position + 2 + filling + size
            if after + 2 > end:
                break
            key = self._user_key + (self._number & _MASK).to_bytes(4, "little")
            self._hash = hmac.digest(key, view[position:after], "md5")
            if view[after : after + 2] != self._hash[:2]:
                raise RemoteError("the MAC of a chunk does not fit")
            start = position + 2 + before
            sealed.append(view[start : start + size])
            self._number += 1
            self._drawn = None
            position = after + 2
        return position

    def _draw(self, view: memoryview, position: int) -> tuple[int, int, int]:
        """The size of the data, of the random bytes, and how many of these stand before it."""
        last = self._hash
        size = (view[position] ^ last[14]) | (view[position + 1] ^ last[15]) << 8
        filling, before = self._lengths.draw(last, size)
        if 4 + filling + size > _MAX_CHUNK:
            raise RemoteError(f"a chunk of {size} bytes and {filling} random ones is too long")
        self._drawn = size, filling, before
        return self._drawn


def _datagram_filling(tag: bytes) -> int:
    return Xorshift128Plus(tag).next() % 127


def _md5_mac(key: bytes, message: Chunk) -> bytes:
    return hmac.digest(key, message, "md5")


def _xor(value: bytes, mask: bytes) -> bytes:
    """Change 4 bytes by the first 4 of a mask."""
    return bytes(a ^ b for a, b in zip(value, mask[:4], strict=True))
