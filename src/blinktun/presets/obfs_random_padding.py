"""obfs-random-padding: random bytes in front of each chunk (blinksocks wire, 5.9).

::

    chunk:  p(1) random(p) n(2) data(n)          datagram:  p(1) random(p) data
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.effects import Effect, Forward, Reject
from blinktun.errors import RemoteError
from blinktun.presets.base import Preset, PresetContext, PresetMaker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blinktun.effects import Chunk

_MAX_CHUNK = 0xFFFF
_MAX_PADDING_OF_DATAGRAM = 127


class ObfsRandomPadding(Preset):
    """Hides how long short messages are; a cipher must follow, for it encrypts nothing."""

    def __init__(self, context: PresetContext) -> None:
        self._random = context.random
        self._unpadder = _Unpadder()

    @classmethod
    def configure(cls, params: Mapping[str, object]) -> PresetMaker:
        """Return the maker; there are no parameters, and unknown ones are ignored as upstream."""
        del params
        return cls

    def encode(self, data: Chunk) -> Iterable[Effect]:
        """Cut into chunks as large as the format allows; only small ones are padded."""
        if not data:
            return ()
        view = memoryview(data)
        wire: list[Chunk] = []
        for start in range(0, len(view), _MAX_CHUNK):
            chunk = view[start : start + _MAX_CHUNK]
            wire += self._padding(_max_padding(len(chunk))), len(chunk).to_bytes(2, "big"), chunk
        return (Forward(b"".join(wire)),)

    def decode(self, data: Chunk) -> Iterable[Effect]:
        """Pass data on as it comes, without what stands around it."""
        pieces = self._unpadder.take(data)
        if not pieces:
            return ()
        return (Forward(pieces[0] if len(pieces) == 1 else b"".join(pieces)),)

    def decode_eof(self) -> Iterable[Effect]:
        """Refuse an end inside a chunk."""
        return (Reject("ended inside a padded chunk"),) if self._unpadder.inside_chunk else ()

    def encode_datagram(self, data: bytes) -> bytes:
        """Put padding in front."""
        return self._padding(_MAX_PADDING_OF_DATAGRAM) + data

    def decode_datagram(self, data: bytes) -> bytes:
        """Take it off."""
        if not data or len(data) < 1 + data[0]:
            raise RemoteError("a datagram ends inside its padding")
        return data[1 + data[0] :]

    def _padding(self, most: int) -> bytes:
        """``p`` and the padding."""
        size = self._random(1)[0] % (most + 1) if most else 0
        return bytes((size,)) + self._random(size) if size else b"\0"


class _Unpadder:
    """Goes through chunks and holds none of their data."""

    def __init__(self) -> None:
        self._head = b""  # of the next chunk, as far as it has come
        self._data = 0  # of this chunk, still to be passed on

    @property
    def inside_chunk(self) -> bool:
        """Whether a chunk has begun and not ended."""
        return bool(self._head) or self._data > 0

    def take(self, data: Chunk) -> list[memoryview]:
        """Return the pieces of data in what has come."""
        view = memoryview(b"".join((self._head, data)) if self._head else data)
        pieces: list[memoryview] = []
        position, end, left = 0, len(view), self._data
        while position < end:
            if not left:
                after = position + 1 + view[position] + 2
                if after > end:
                    break
                left = view[after - 2] << 8 | view[after - 1]
                position = after
            if left and position < end:
                piece = view[position : position + left]
                pieces.append(piece)
                left -= len(piece)
                position += len(piece)
        self._head, self._data = bytes(view[position:]), left
        return pieces


def _max_padding(size: int) -> int:
    """The shorter a chunk, the more its length says."""
    if size > 1440:
        return 0
    if size > 1300:
        return 30
    return 126 if size > 900 else 255
