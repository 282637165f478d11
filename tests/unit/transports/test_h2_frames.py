from __future__ import annotations

import pytest
from h2.exceptions import FrameTooLargeError

from blinktun.transports.h2_frames import FrameHeaders


def frame(size: int) -> bytes:
    return size.to_bytes(3, "big") + bytes(6 + size)


@pytest.mark.parametrize("step", [1, 2, 8, 9, 10, 1000])
def test_frames_in_any_pieces(step: int) -> None:
    headers = FrameHeaders(100, preface=b"\xff" * 24)
    data = memoryview(b"\xff" * 24 + frame(0) + frame(100) + frame(7) + (101).to_bytes(3, "big"))
    for start in range(0, len(data), step):
        headers.check(data[start : start + step])
    with pytest.raises(FrameTooLargeError, match="a frame of 101 bytes"):
        headers.check(memoryview(bytes(6)))


def test_a_long_frame_is_refused_by_its_header() -> None:
    headers = FrameHeaders(100)
    headers.check(memoryview(frame(100)))
    with pytest.raises(FrameTooLargeError):
        headers.check(memoryview(frame(101)[:9]))


def test_another_preface_is_left_to_the_library() -> None:
    headers = FrameHeaders(100, preface=b"PRI")
    assert headers.check(memoryview(b"PR")) == 0
    assert headers.check(memoryview(b"\xff" * 1000)) == 0


@pytest.mark.parametrize("step", [1, 5, 9, 1000])
def test_frames_without_data_are_counted(step: int) -> None:
    headers = FrameHeaders(100)
    ping, window, reset, settings = (
        bytes((0, 0, size, kind, 0, 0, 0, 0, 1)) + bytes(size)
        for size, kind in ((8, 6), (4, 8), (4, 3), (0, 4))
    )
    empty, full = bytes(9), b"\0\0\1" + bytes(6) + b"x"
    data = memoryview(ping + window + full + reset + settings + empty + full)
    counts = [headers.check(data[at : at + step]) for at in range(0, len(data), step)]
    assert sum(counts) == 5
