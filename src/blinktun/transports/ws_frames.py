"""WebSocket's frames, as bytes in and out (RFC 6455, section 5).

A reader passes payload on as it comes, and never waits for the end of a frame or message: what it
holds is part of a header, or of a control frame. Blinksocks' clients do not mask their data, so
frames are read with and without a mask, whoever sends them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from blinktun.errors import RemoteError

if TYPE_CHECKING:
    from blinktun.effects import Chunk


class Opcode(IntEnum):
    """What a frame carries."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@dataclass(frozen=True, slots=True)
class Payload:
    """Bytes of a binary message, in order, not necessarily all of it."""

    data: Chunk


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a PONG with the same data."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """Answers a PING, or says something of its own that everybody may ignore."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Both directions are over; nothing may follow."""

    code: int | None


Event: TypeAlias = Payload | Ping | Pong | Close

_FIN, _RESERVED, _OPCODE = 0x80, 0x70, 0x0F
_MASKED, _LENGTH = 0x80, 0x7F
_MAX_CONTROL = 125
_DATA = (Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY)


def pack_frame(opcode: Opcode, payload: Chunk, mask: bytes = b"") -> bytearray:
    """Write one unfragmented frame; ``mask`` are the four bytes of a client, or none."""
    size = len(payload)
    frame = bytearray((_FIN | opcode,))
    masked = _MASKED if mask else 0
    if size <= _MAX_CONTROL:
        frame.append(masked | size)
    elif size <= 0xFFFF:
        frame.append(masked | 126)
        frame += size.to_bytes(2, "big")
    else:
        frame.append(masked | 127)
        frame += size.to_bytes(8, "big")
    frame += mask
    start = len(frame)
    frame += payload
    if mask:
        apply_mask(frame, mask, start)
    return frame


def pack_close(code: int | None = None, mask: bytes = b"") -> bytearray:
    """Write a CLOSE frame."""
    return pack_frame(Opcode.CLOSE, b"" if code is None else code.to_bytes(2, "big"), mask)


def apply_mask(data: bytearray, mask: bytes, start: int = 0) -> None:
    """XOR everything from ``start`` on with the four bytes of ``mask``, again and again."""
    # Each byte of the mask meets every fourth byte of the data: four translations in C, which is
    # faster than XOR of long integers.
    for index, byte in enumerate(mask, start):
        if byte:
            data[index::4] = data[index::4].translate(_xor_table(byte))


@lru_cache(maxsize=256)
def _xor_table(byte: int) -> bytes:
    return bytes(value ^ byte for value in range(256))


class FrameReader:
    """Takes a peer's bytes in any pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()  # of a header, or of a control frame
        self._left = 0  # of the data frame that is being read
        self._mask = b""
        self._in_message = False  # after a data frame that was not the last of its message
        self._dropping = False  # this message is text
        self._closed = False

    def feed(self, data: Chunk) -> list[Event]:
        """Read; what comes behind CLOSE is ignored.

        Raises:
            RemoteError: the peer broke the protocol.
        """
        events: list[Event] = []
        rest = memoryview(data)
        while not self._closed:
            if self._left:
                rest = self._read_payload(rest, events)
                if self._left:
                    break
            if self._buffer:
                self._buffer += rest
                rest = memoryview(bytes(self._buffer))
                self._buffer.clear()
            used = self._read_frame(rest, events)
            if not used:
                # 14 bytes of a header and 125 of a control frame at most.
                self._buffer += rest
                break
            rest = rest[used:]
        return events

    def _read_payload(self, rest: memoryview, events: list[Event]) -> memoryview:
        piece, rest = rest[: self._left], rest[self._left :]
        self._left -= len(piece)
        if len(piece) and not self._dropping:
            events.append(Payload(self._unmask(piece)))
        return rest

    def _read_frame(self, view: memoryview, events: list[Event]) -> int:
        """Read a header, and the whole of a control frame; return the bytes used, 0: too few."""
        if len(view) < 2:
            return 0
        opcode, final = _opcode(view[0]), bool(view[0] & _FIN)
        extended = {126: 2, 127: 8}.get(view[1] & _LENGTH, 0)
        masked = 4 if view[1] & _MASKED else 0
        header = 2 + extended + masked
        if opcode not in _DATA and (extended or not final):
            raise RemoteError("a control frame is long or in pieces")
        if len(view) < header:
            return 0
        size = int.from_bytes(view[2 : 2 + extended], "big") if extended else view[1] & _LENGTH
        if size >> 63:
            raise RemoteError("a frame is longer than any")
        mask = bytes(view[header - masked : header])
        if opcode in _DATA:
            self._begin_data(opcode, final=final)
            self._left, self._mask = size, mask
            return header
        if len(view) < header + size:
            return 0
        self._take_control(opcode, _unmasked(view[header : header + size], mask), events)
        return header + size

    def _begin_data(self, opcode: Opcode, *, final: bool) -> None:
        if (opcode is Opcode.CONTINUATION) != self._in_message:
            raise RemoteError("a message begins inside another, or goes on without a beginning")
        if opcode is not Opcode.CONTINUATION:
            self._dropping = opcode is Opcode.TEXT
        self._in_message = not final

    def _take_control(self, opcode: Opcode, payload: bytes, events: list[Event]) -> None:
        if opcode is Opcode.PING:
            events.append(Ping(payload))
        elif opcode is Opcode.PONG:
            events.append(Pong(payload))
        else:
            if len(payload) == 1:
                raise RemoteError("CLOSE has half a code")
            self._closed = True
            events.append(Close(int.from_bytes(payload[:2], "big") if payload else None))

    def _unmask(self, piece: memoryview) -> Chunk:
        if not self._mask:
            return piece
        data = bytearray(piece)
        apply_mask(data, self._mask)
        turn = len(data) % 4  # the next piece goes on where this one ends
        self._mask = self._mask[turn:] + self._mask[:turn]
        return data


def _opcode(first: int) -> Opcode:
    if first & _RESERVED:
        raise RemoteError("a frame uses an extension that was not agreed on")
    try:
        return Opcode(first & _OPCODE)
    except ValueError:
        raise RemoteError(f"a frame has the unknown opcode {first & _OPCODE}") from None


def _unmasked(payload: memoryview, mask: bytes) -> bytes:
    data = bytearray(payload)
    apply_mask(data, mask)
    return bytes(data)
