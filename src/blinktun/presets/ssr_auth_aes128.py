"""ssr-auth-aes128-md5 and -sha1: padded chunks with two MACs (blinksocks wire, 5.6).

::

    part1   random(1)  MAC(6)
    part2   random(4)  stamp(16)  MAC(4)
    part3   random(m)  data(d)  MAC(4)              35 + m + d bytes in all

    chunk   size(2)  MAC(2)  pad  data  MAC(4)      in both directions, sizes of whole chunks
    pad     p(1), p bytes in all  or  ff q(2), q bytes in all
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, ClassVar

from blinktun.effects import Effect, Forward
from blinktun.errors import RemoteError
from blinktun.presets.ss_base import SsBase
from blinktun.presets.ssr_auth import SsrAuth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from blinktun.effects import Chunk
    from blinktun.presets.base import Preset, PresetContext

_PART1, _PART2, _MAC = 7, 24, 4
_FIXED = _PART1 + _PART2 + _MAC
_MAX_FILLING = 1024
"""Random bytes in a handshake: with them and the header it stays below one segment of TCP, which
Node's server wants to read at once."""
_MAX_EXTRA = 32

_MAX_DATA = 7925
_MAX_NOISE = 253  # pads of 256 bytes, the most that Node's programs send
_SHORT_NOISE = 125
_FULL = range(7925, 7928)
"""Data in a full chunk of Node's programs."""
_MIN_SIZE, _MAX_SIZE = 9, 0x2000


class SsrAuthAes128(SsrAuth):
    """The two presets; they differ in their digest."""

    digest: ClassVar[str]

    def __init__(self, context: PresetContext) -> None:
        super().__init__(context)
        self._greeted = not self._is_client
        self._header: SsBase | None = None
        self._sealer: _Sealer
        self._opener: _Opener

    def attach(self, siblings: Sequence[Preset]) -> None:
        """Find the keys, and who knows how long the target's header is."""
        super().attach(siblings)
        self._header = next((one for one in siblings if isinstance(one, SsBase)), None)
        self._sealer = _Sealer(self._user_key, self.digest, self._random)
        self._opener = _Opener(self._user_key, self.digest)

    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Cut into chunks; the handshake stands before the first, with a little of the data."""
        if not data:
            return ()
        wire: list[Chunk] = []
        view = memoryview(data)
        if not self._greeted:
            self._greeted = True
            early = self._early_size(len(view))
            wire.append(self._handshake(bytes(view[:early])))
            view = view[early:]
        return (Forward(b"".join((*wire, *self._sealer.seal(view)))),)

    def encode_datagram(self, data: bytes) -> bytes:
        """Put 4 random bytes, on a client, and a MAC behind."""
        message = data + self._random(4) if self._is_client else data
        return message + self._mac(self._user_key, message)[:_MAC]

    def decode_datagram(self, data: bytes) -> bytes:
        """Take off what stands behind."""
        behind = _MAC if self._is_client else 4 + _MAC
        message = data[:-_MAC]
        if len(data) < behind or not _fits(data[-_MAC:], self._mac(self._user_key, message)):
            raise RemoteError("the MAC of a datagram does not fit")
        return data[:-behind]

    def _early_size(self, available: int) -> int:
        """How much of the first data goes into the handshake: the header and a few bytes.

        Where no ss-base has put a header there, as with mux, nothing does.
        """
        if self._header is None or not self._header.header_size:
            return 0
        extra = self._random(1)[0] % _MAX_EXTRA
        return min(available, self._header.header_size + extra)

    def _handshake(self, early: bytes) -> bytes:
        key = self._first_key
        part1 = self._random(1)
        part1 += self._mac(key, part1)[:6]
        uid = self._random(4)
        size = int.from_bytes(self._random(2), "little") % (_MAX_FILLING + 1)
        part2 = uid + self._stamp(_FIXED + size + len(early), size)
        part2 += self._mac(key, part2)[:_MAC]
        filling = self._random(size) if size else b""
        message = b"".join((part1, part2, filling, early))
        return message + self._mac(self._user_key, message)[:_MAC]

    def _take_handshake(self, view: memoryview, sealed: list[Chunk]) -> int:
        """Take up to 64 KiB: no more than a client that knows the key has announced."""
        key = self._first_key
        if len(view) < _PART1:
            return 0
        if not _fits(view[1:_PART1], self._mac(key, view[:1])):
            raise RemoteError("the first MAC of the handshake does not fit")
        if len(view) < _PART1 + _PART2:
            return 0
        end2 = _PART1 + _PART2
        token = bytes(view[_PART1 : end2 - _MAC])
        if not _fits(view[end2 - _MAC : end2], self._mac(key, token)):
            raise RemoteError("the second MAC of the handshake does not fit")
        stamp = self._open_stamp(token[4:])
        size, filling = stamp.first, stamp.second
        if size < _FIXED + filling:
            raise RemoteError(f"a handshake of {size} bytes cannot hold {filling} random ones")
        if len(view) < size:
            return 0
        if not _fits(view[size - _MAC : size], self._mac(self._user_key, view[: size - _MAC])):
            raise RemoteError("the last MAC of the handshake does not fit")
        self._admit(token)
        sealed.append(view[end2 + filling : size - _MAC])
        return size

    def _take_chunks(self, view: memoryview, position: int, sealed: list[Chunk]) -> int:
        return self._opener.open(view, position, sealed)

    def _mac(self, key: bytes, message: Chunk) -> bytes:
        return hmac.digest(key, message, self.digest)


class SsrAuthAes128Md5(SsrAuthAes128):
    """With HMAC-MD5."""

    salt = b"auth_aes128_md5"
    digest = "md5"


class SsrAuthAes128Sha1(SsrAuthAes128):
    """With HMAC-SHA1."""

    salt = b"auth_aes128_sha1"
    digest = "sha1"


class _Sealer:
    """Makes the chunks of one direction, numbered from 1."""

    def __init__(self, user_key: bytes, digest: str, random: Callable[[int], bytes]) -> None:
        self._user_key = user_key
        self._digest = digest
        self._random = random
        self._number = 0

    def seal(self, view: memoryview) -> list[bytes]:
        """Cut the data, and return the pieces of the chunks."""
        wire: list[bytes] = []
        for start in range(0, len(view), _MAX_DATA):
            data = view[start : start + _MAX_DATA]
            self._number += 1
            key = _chunk_key(self._user_key, self._number)
            pad = self._pad()
            size = (8 + len(pad) + len(data)).to_bytes(2, "little")
            size_mac = hmac.digest(key, size, self._digest)[:2]
            chunk = b"".join((size, size_mac, pad, data))
            wire += (chunk, hmac.digest(key, chunk, self._digest)[:_MAC])
        return wire

    def _pad(self) -> bytes:
        size = self._random(1)[0] % (_MAX_NOISE + 1)
        noise = self._random(size) if size else b""
        if size <= _SHORT_NOISE:
            return bytes((1 + size,)) + noise
        return b"\xff" + (3 + size).to_bytes(2, "little") + noise


class _Opener:
    """Opens the chunks of one direction."""

    def __init__(self, user_key: bytes, digest: str) -> None:
        self._user_key = user_key
        self._digest = digest
        self._number = 1
        self._key = _chunk_key(user_key, 1)

    def open(self, view: memoryview, position: int, plain: list[Chunk]) -> int:
        """Append the data of every complete chunk.

        Returns:
            Where the first incomplete one starts.

        Raises:
            RemoteError: a MAC or a length is wrong.
        """
        end = len(view)
        while position + _MAC <= end:
            size = self._size(view[position : position + _MAC])
            if position + size > end:
                break
            plain.append(self._data(view[position : position + size]))
            position += size
            self._number += 1
            self._key = _chunk_key(self._user_key, self._number)
        return position

    def _size(self, head: memoryview) -> int:
        if not _fits(head[2:], hmac.digest(self._key, head[:2], self._digest)):
            raise RemoteError("the MAC of a chunk's size does not fit")
        size = int.from_bytes(head[:2], "little")
        if not _MIN_SIZE <= size <= _MAX_SIZE:
            raise RemoteError(f"a chunk of {size} bytes is not within {_MIN_SIZE} and {_MAX_SIZE}")
        return size

    def _data(self, chunk: memoryview) -> memoryview:
        body_end = len(chunk) - _MAC
        if not _fits(chunk[body_end:], hmac.digest(self._key, chunk[:body_end], self._digest)):
            raise RemoteError("the MAC of a chunk does not fit")
        start = 4 + _pad_size(chunk)
        if start > body_end:
            raise RemoteError("the pad of a chunk is longer than the chunk")
        return chunk[start:body_end]


def _pad_size(chunk: memoryview) -> int:
    """Read the size of a chunk's pad, at least 9 bytes being there.

    Node writes the short form for 255 and 256 bytes too, once in 256 chunks: ``ff`` and behind it
    no length but random bytes, or ``00``. Its longest pad has 256 bytes. Where random bytes look
    like a length, a full chunk still shows by its size which of the two it is.
    """
    short = chunk[4]
    if short == 0:
        return 256
    if short < 0xFF:
        return short
    long = chunk[5] | chunk[6] << 8
    body = len(chunk) - 8
    if not 3 <= long <= 256 or (body - long not in _FULL and body - 255 in _FULL):
        return 255
    return long


def _chunk_key(user_key: bytes, number: int) -> bytes:
    return user_key + (number & 0xFFFFFFFF).to_bytes(4, "little")


def _fits(mac: Chunk, expected: bytes) -> bool:
    return hmac.compare_digest(mac, expected[: len(mac)])
