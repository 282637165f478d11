"""WebSocket's frames, cut anywhere and full of nonsense."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from blinktun.errors import RemoteError
from blinktun.transports.ws_frames import (
    Close,
    Event,
    FrameReader,
    Opcode,
    Payload,
    Ping,
    apply_mask,
    pack_close,
    pack_frame,
)

masks = st.one_of(st.just(b""), st.binary(min_size=4, max_size=4))
sizes = st.sampled_from([0, 1, 124, 125, 126, 127, 300, 65535, 65536, 70000])


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A binary message in one or more frames, pings between them, and its payload."""
    wire, whole = bytearray(), bytearray()
    count = draw(st.integers(1, 4))
    for number in range(count):
        data = draw(st.binary(max_size=40)) + bytes(draw(sizes))
        frame = pack_frame(Opcode.CONTINUATION if number else Opcode.BINARY, data, draw(masks))
        if number < count - 1:
            frame[0] &= 0x7F
        wire += frame
        whole += data
        if draw(st.booleans()):
            wire += pack_frame(Opcode.PING, draw(st.binary(max_size=125)), draw(masks))
    return bytes(wire), bytes(whole)


@given(st.lists(messages(), max_size=3), st.lists(st.integers(0, 300_000), max_size=12))
def test_any_split_gives_the_same(parts: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    wire = b"".join(part[0] for part in parts) + pack_close(1000)
    whole = b"".join(part[1] for part in parts)
    reader, events = FrameReader(), list[Event]()
    places = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
    for start, end in itertools.pairwise(places):
        events += reader.feed(wire[start:end])
    assert b"".join(event.data for event in events if isinstance(event, Payload)) == whole
    assert events[-1] == Close(1000)
    pings = [event for event in events if isinstance(event, Ping)]
    assert pings == [event for event in FrameReader().feed(wire) if isinstance(event, Ping)]


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_hostile_bytes_are_refused_or_read(pieces: list[bytes]) -> None:
    reader = FrameReader()
    for piece in pieces:
        try:
            events = reader.feed(piece)
        except RemoteError:
            return
        data = [event.data for event in events if isinstance(event, Payload)]
        assert sum(map(len, data)) <= len(piece)
        assert len(reader._buffer) < 14 + 125


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4), st.integers(0, 20))
def test_masks(data: bytes, mask: bytes, start: int) -> None:
    masked = bytearray(start) + data
    apply_mask(masked, mask, start)
    assert masked[start:] == bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
    assert masked[:start] == bytes(start)
