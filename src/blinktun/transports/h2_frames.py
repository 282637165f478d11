"""Looks at the headers of frames before the library does.

The ``h2`` library refuses a long frame when it has the whole of it, which would be 16 MiB a
connection, and reports what it has parsed when it has parsed everything: too late for a flood.
"""

from __future__ import annotations

from typing import Final

from h2.exceptions import FrameTooLargeError

_HEADER = 9
_DATA = 0


class FrameHeaders:
    """Watches HTTP/2 bytes go by.

    Args:
        longest: The longest payload that a frame may have.
        preface: What stands in front of the first frame; behind another one there are no frames.
    """

    def __init__(self, longest: int, *, preface: bytes = b"") -> None:
        self._longest: Final = longest
        self._preface = preface
        self._skip = 0
        self._header = b""  # part of one

    def check(self, data: memoryview) -> int:
        """Look at the next bytes; returns how many frames begin there that carry no data.

        Raises:
            FrameTooLargeError: a frame is too long.
        """
        empty = 0
        start = bytes(data[: len(self._preface)])
        if not self._preface.startswith(start):
            return 0  # the library refuses it
        self._preface = self._preface[len(start) :]
        place = len(start) + self._skip
        while place < len(data):
            have = len(self._header)
            self._header += bytes(data[place : place + _HEADER - have])
            place += len(self._header) - have
            if len(self._header) < _HEADER:
                break
            size = int.from_bytes(self._header[:3], "big")
            if size > self._longest:
                raise FrameTooLargeError(f"a frame of {size} bytes")
            empty += self._header[3] != _DATA or not size
            self._header = b""
            place += size
        self._skip = max(place - len(data), 0)
        return empty
