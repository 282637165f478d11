from __future__ import annotations

import pytest
from h2.exceptions import FrameTooLargeError

from blinktun.transports.h2_lengths import FrameLengths


def frame(size: int) -> bytes:
    return size.to_bytes(3, "big") + bytes(6 + size)


@pytest.mark.parametrize("step", [1, 2, 8, 9, 10, 1000])
def test_frames_in_any_pieces(step: int) -> None:
    lengths = FrameLengths(100, skip=24)
    data = memoryview(b"\xff" * 24 + frame(0) + frame(100) + frame(7) + (101).to_bytes(3, "big"))
    for start in range(0, len(data), step):
        lengths.check(data[start : start + step])
    with pytest.raises(FrameTooLargeError, match="a frame of 101 bytes"):
        lengths.check(memoryview(bytes(6)))


def test_a_long_frame_is_refused_by_its_header() -> None:
    lengths = FrameLengths(100)
    lengths.check(memoryview(frame(100)))
    with pytest.raises(FrameTooLargeError):
        lengths.check(memoryview(frame(101)[:9]))
