"""The frames of multiplexed connections (blinksocks wire, section 7).

NEW, ``00 cid(4) len(1) host port(2)``, opens a sub-connection; DATA, ``01 cid(4) size(2) data``,
goes both ways; CLOSE, ``02 cid(4)``, ends both directions at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from blinktun.address import Address
from blinktun.errors import LocalError, RemoteError
from blinktun.presets.socks_address import parse_host

if TYPE_CHECKING:
    from blinktun.effects import Chunk

MAX_DATA = 0x3FFF
"""What is sent in one frame, as upstream; up to 65,535 bytes are taken."""
_NEW, _DATA, _CLOSE = 0, 1, 2
_HEAD = 5  # type and cid


@dataclass(frozen=True, slots=True)
class New:
    """A sub-connection to this target begins."""

    cid: bytes
    target: Address


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a sub-connection."""

    cid: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """A sub-connection is over."""

    cid: bytes


Frame: TypeAlias = New | Data | Close


def pack_new(cid: bytes, target: Address) -> bytes:
    """Write a NEW frame; the host is text, IP addresses too.

    Raises:
        LocalError: the host does not fit.
    """
    try:
        host = target.host.encode("ascii" if target.host.isascii() else "idna")
    except UnicodeError:
        host = b""
    if not 1 <= len(host) <= 255:
        raise LocalError("the target's host does not fit into a frame")
    return bytes((_NEW, *cid, len(host))) + host + target.port.to_bytes(2, "big")


def pack_data(cid: bytes, data: Chunk) -> bytes:
    """Write DATA frames for all of ``data``; none for no bytes, which receivers misread."""
    view = memoryview(data)
    parts: list[Chunk] = []
    for start in range(0, len(view), MAX_DATA):
        piece = view[start : start + MAX_DATA]
        parts += (bytes((_DATA, *cid)) + len(piece).to_bytes(2, "big"), piece)
    return b"".join(parts)


def pack_close(cid: bytes) -> bytes:
    """Write a CLOSE frame."""
    return bytes((_CLOSE, *cid))


class FrameReader:
    """Cuts a stream into frames, wherever it was cut on the way.

    Bound: what is kept is less than a frame of 65,542 bytes.
    """

    def __init__(self) -> None:
        self._pending = b""

    @property
    def inside_frame(self) -> bool:
        """Whether bytes of an incomplete frame are kept."""
        return bool(self._pending)

    def feed(self, data: Chunk) -> list[Frame]:
        """Take bytes and return the frames that are complete.

        Raises:
            RemoteError: a frame of no known type, or a NEW whose host is none.
        """
        view = memoryview(b"".join((self._pending, data)) if self._pending else data)
        frames: list[Frame] = []
        position = 0
        while (found := _frame(view[position:])) is not None:
            frame, size = found
            frames.append(frame)
            position += size
        self._pending = bytes(view[position:])
        return frames


def _frame(view: memoryview) -> tuple[Frame, int] | None:
    """The frame at the start and its size; None: more bytes are needed."""
    if not view:
        return None
    kind = view[0]
    if kind not in {_NEW, _DATA, _CLOSE}:
        raise RemoteError(f"frame type {kind} does not exist")
    if len(view) < _HEAD:
        return None
    cid = bytes(view[1:_HEAD])
    if kind == _CLOSE:
        return Close(cid), _HEAD
    return _new(cid, view) if kind == _NEW else _data(cid, view)


def _new(cid: bytes, view: memoryview) -> tuple[Frame, int] | None:
    start = _HEAD + 1
    if len(view) < start or len(view) < start + view[_HEAD] + 2:
        return None
    end = start + view[_HEAD]
    host = parse_host(bytes(view[start:end]))
    return New(cid, Address(host, int.from_bytes(view[end : end + 2], "big"))), end + 2


def _data(cid: bytes, view: memoryview) -> tuple[Frame, int] | None:
    start = _HEAD + 2
    if len(view) < start:
        return None
    end = start + int.from_bytes(view[_HEAD:start], "big")
    return (Data(cid, bytes(view[start:end])), end) if len(view) >= end else None
