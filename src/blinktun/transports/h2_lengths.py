"""Refuses long frames by their first bytes.

The ``h2`` library does so when it has the whole of a frame, which would be 16 MiB a connection.
"""

from __future__ import annotations

from h2.exceptions import FrameTooLargeError

_HEADER = 9


class FrameLengths:
    """Watches HTTP/2 bytes go by.

    Args:
        longest: The longest payload that a frame may have.
        skip: Bytes in front of the first frame.
    """

    def __init__(self, longest: int, *, skip: int = 0) -> None:
        self._longest = longest
        self._skip = skip
        self._header = b""  # part of one

    def check(self, data: memoryview) -> None:
        """Look at the next bytes.

        Raises:
            FrameTooLargeError: a frame is too long.
        """
        place = self._skip
        while place < len(data):
            have = len(self._header)
            self._header += bytes(data[place : place + _HEADER - have])
            place += len(self._header) - have
            if len(self._header) < _HEADER:
                break
            size = int.from_bytes(self._header[:3], "big")
            if size > self._longest:
                raise FrameTooLargeError(f"a frame of {size} bytes")
            self._header = b""
            place += size
        self._skip = max(place - len(data), 0)
