from __future__ import annotations

import pytest

from blinktun.errors import RemoteError
from blinktun.transports.ws_frames import (
    Close,
    Event,
    FrameReader,
    Opcode,
    Payload,
    Ping,
    Pong,
    apply_mask,
    pack_close,
    pack_frame,
)

MASK = bytes.fromhex("37fa213d")


def read(data: bytes | bytearray) -> list[Event]:
    return FrameReader().feed(data)


def payload(events: list[Event]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Payload))


def test_the_examples_of_the_standard() -> None:
    # RFC 6455, section 5.7, with the opcodes of binary messages.
    assert pack_frame(Opcode.BINARY, b"Hello") == bytes.fromhex("820548656c6c6f")
    masked = bytes.fromhex("828537fa213d7f9f4d5158")
    assert pack_frame(Opcode.BINARY, b"Hello", MASK) == masked
    assert payload(read(masked)) == b"Hello"
    assert payload(read(bytes.fromhex("020348656c80026c6f"))) == b"Hello"
    assert read(bytes.fromhex("890548656c6c6f")) == [Ping(b"Hello")]
    assert read(bytes.fromhex("8a8537fa213d7f9f4d5158")) == [Pong(b"Hello")]
    assert pack_frame(Opcode.BINARY, bytes(256))[:4] == bytes.fromhex("827e0100")
    assert pack_frame(Opcode.BINARY, bytes(65536))[:10] == bytes.fromhex("827f0000000000010000")


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
@pytest.mark.parametrize("mask", [b"", MASK, bytes(4)])
def test_lengths(size: int, mask: bytes) -> None:
    data = bytes(range(256)) * 256
    frame = pack_frame(Opcode.BINARY, memoryview(data)[:size], mask)
    assert payload(read(frame + pack_frame(Opcode.BINARY, b"next"))) == data[:size] + b"next"


def test_a_mask_begins_anew_with_each_frame() -> None:
    data = bytearray(b"..abcdefg")
    apply_mask(data, MASK, 2)
    assert data[:2] == b".."
    assert bytes(a ^ b for a, b in zip(data[2:], MASK * 2, strict=False)) == b"abcdefg"
    frames = pack_frame(Opcode.BINARY, b"abc", MASK) * 2
    assert payload(read(frames)) == b"abcabc"


def test_payload_does_not_wait_for_the_end_of_its_frame() -> None:
    reader = FrameReader()
    frame = pack_frame(Opcode.BINARY, b"0123456789", MASK)
    assert payload(reader.feed(frame[:9])) == b"012"
    assert payload(reader.feed(frame[9:10])) == b"3"
    assert payload(reader.feed(frame[10:])) == b"456789"


def test_text_is_dropped_in_all_its_pieces() -> None:
    text = b"\x01\x03abc" + b"\x89\x01p" + b"\x80\x82" + MASK + b"xy"
    assert read(text + pack_frame(Opcode.BINARY, b"data")) == [Ping(b"p"), Payload(b"data")]


def test_nothing_counts_behind_close() -> None:
    reader = FrameReader()
    frames = pack_frame(Opcode.BINARY, b"last") + pack_close(1000, MASK) + b"\xff\xff"
    assert reader.feed(frames) == [Payload(b"last"), Close(1000)]
    assert reader.feed(b"\xff\xff") == []
    assert read(pack_close()) == [Close(None)]
    assert read(pack_frame(Opcode.CLOSE, b"\x03\xf3why")) == [Close(1011)]


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (b"\xc2\x00", "extension"),
        (b"\x92\x00", "extension"),
        (b"\x83\x00", "opcode"),
        (b"\x8f\x00", "opcode"),
        (b"\x09\x00", "control"),
        (b"\x89\x7e", "control"),
        (b"\x88\xff", "control"),
        (b"\x88\x01x", "half a code"),
        (b"\x80\x00", "message"),
        (b"\x02\x00\x82\x00", "message"),
        (b"\x02\x00\x01\x00", "message"),
        (b"\x82\x7f" + b"\x80" + bytes(7), "longer"),
    ],
)
def test_what_breaks_the_protocol(frame: bytes, problem: str) -> None:
    with pytest.raises(RemoteError, match=problem):
        read(frame)
