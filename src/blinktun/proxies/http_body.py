"""Read the bodies of HTTP/1 messages, and write them in one normal form."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import TYPE_CHECKING

from blinktun.errors import RemoteError
from blinktun.proxies.http_framing import Chunked, Length, Nothing, UntilEnd
from blinktun.proxies.http_head import read_trailers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.effects import Chunk
    from blinktun.proxies.http_framing import Framing
    from blinktun.proxies.http_head import Field

_MAX_SIZE_LINE = 4096
"""Bytes of the line before a chunk, extensions included."""
_MAX_SIZE_DIGITS = 15
"""Of a chunk's size, without leading zeros: what every reader holds in 64 bits."""
_MAX_TRAILERS = 65536
"""Bytes of the fields behind the last chunk."""

_SIZE_LINE = re.compile(
    rb"(?P<size>[0-9A-Fa-f]+)[ \t]*(?P<extension>;[\t\x20-\x7e\x80-\xff]*)?(?P<cr>\r?)"
)


class BodyError(RemoteError):
    """A body is malformed, or ends too early."""


class Body(ABC):
    """A body that is being read.

    Attributes:
        ended: All of it has come.
        trailers: What stood behind it.
    """

    ended = False
    trailers: Sequence[Field] = ()

    @abstractmethod
    def read(self, data: Chunk) -> tuple[Chunk, Chunk]:
        """Return what ``data`` holds of the body, and what comes behind the body.

        Raises:
            BodyError: it is malformed.
        """

    def end(self) -> None:
        """Note that the sender has closed its connection.

        Raises:
            BodyError: that is too early.
        """
        if not self.ended:
            raise BodyError("it ended too early")


def body_of(framing: Framing, *, strict: bool) -> Body:
    """Return what reads a body.

    Args:
        framing: Where it ends.
        strict: Refuse what other readers could take for something else.
    """
    match framing:
        case Nothing():
            return _Counted(0)
        case Length(count):
            return _Counted(count)
        case Chunked():
            return _Chunks(strict=strict)
        case UntilEnd():
            return _Endless()


def write_chunk(data: Chunk) -> bytes:
    """Return a chunk; nothing makes none."""
    return b"".join((b"%x\r\n" % len(data), data, b"\r\n")) if data else b""


class _Counted(Body):
    """A body of known length."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.ended = not count

    def read(self, data: Chunk) -> tuple[Chunk, Chunk]:
        if len(data) < self._left:
            self._left -= len(data)
            return data, b""
        left, self._left, self.ended = self._left, 0, True
        if len(data) == left:
            return data, b""
        return memoryview(data)[:left], memoryview(data)[left:]


class _Endless(Body):
    """A body that ends with its connection."""

    def read(self, data: Chunk) -> tuple[Chunk, Chunk]:
        return data, b""

    def end(self) -> None:
        self.ended = True


class _Expecting(Enum):
    """What comes next in a body of chunks."""

    SIZE = auto()
    DATA = auto()
    LINE_END = auto()
    TRAILER = auto()


class _Chunks(Body):
    """A body of chunks. A line may end with LF alone, which has one reading only.

    With an extension it has two: some readers look for the CR (RFC 9112, section 7.1.1).
    """

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._expecting = _Expecting.SIZE
        self._left = 0  # bytes of the chunk that are still to come
        self._line = bytearray()  # a line that has come in part
        self._trailers = bytearray()

    def read(self, data: Chunk) -> tuple[Chunk, Chunk]:
        data = bytes(data)
        at, parts = 0, []
        while at < len(data) and not self.ended:
            if self._expecting is _Expecting.DATA:
                piece = data[at : at + self._left]
                parts.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._expecting = _Expecting.LINE_END
                continue
            end = data.find(b"\n", at)
            self._line += data[at:] if end < 0 else data[at:end]
            self._check_bounds()
            if end < 0:
                break
            self._take_line(bytes(self._line))
            self._line.clear()
            at = end + 1
        rest = data[at:] if self.ended else b""
        return (parts[0] if len(parts) == 1 else b"".join(parts)), rest

    def _check_bounds(self) -> None:
        if self._expecting is not _Expecting.TRAILER and len(self._line) > _MAX_SIZE_LINE:
            raise BodyError("a line between chunks is too long")
        if len(self._line) + len(self._trailers) > _MAX_TRAILERS:
            raise BodyError("the trailers are too long")

    def _take_line(self, line: bytes) -> None:
        match self._expecting:
            case _Expecting.SIZE:
                self._take_size(line)
            case _Expecting.LINE_END:
                if line.removesuffix(b"\r"):
                    raise BodyError("a chunk is longer than announced")
                self._expecting = _Expecting.SIZE
            case _:
                if line.removesuffix(b"\r"):
                    self._trailers += line + b"\n"
                    return
                self.ended = True
                if self._trailers:
                    self.trailers = read_trailers(bytes(self._trailers))

    def _take_size(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if not match or (self._strict and match["extension"] and not match["cr"]):
            raise BodyError("illegal chunk size")
        if len(match["size"].lstrip(b"0")) > _MAX_SIZE_DIGITS:
            raise BodyError("a chunk is too large")
        self._left = int(match["size"], 16)
        self._expecting = _Expecting.DATA if self._left else _Expecting.TRAILER
