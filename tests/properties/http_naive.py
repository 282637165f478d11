"""Readers of requests as naive as some programs: each has one quirk from reports of smuggling.

Without a quirk, this is a second opinion on what a tolerant reader takes a stream for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

QUIRKS = [
    "none",
    "a length wins over chunks",
    "the first length counts",
    "the last length counts",
    "lengths are read by atoi",
    "chunked stands anywhere",
    "the first coding counts",
    "names are trimmed",
    "folded lines are dropped",
    "CR ends a line",
    "NUL ends a value",
    "sizes are read by strtol",
    "two bytes follow a chunk",
    "CR LF ends a size",
]
_BLANK = re.compile(rb"\n\r?\n")


class _RefusedError(Exception):
    """This reader takes no more."""


@dataclass
class Naive:
    """Reads a stream.

    Attributes:
        stream: What came.
        quirk: How this reader differs from a correct one.
        at: What has been read of it.
        found: Method, target and body of each whole request.
    """

    stream: bytes
    quirk: str
    at: int = 0
    found: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)

    def read(self) -> list[tuple[bytes, bytes, bytes]]:
        """Read all that this reader understands."""
        try:
            while True:
                self._message()
        except _RefusedError:
            return self.found

    def _message(self) -> None:
        while self.stream[self.at : self.at + 1] in {b"\r", b"\n"}:
            self.at += 1
        blank = _BLANK.search(self.stream, self.at)
        if not blank:
            raise _RefusedError
        first, *lines = self._lines(self.stream[self.at : blank.start()])
        self.at = blank.end()
        words = first.split(b" ")
        words = [word for word in words if word]
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            raise _RefusedError
        lengths, codings = list[bytes](), list[bytes]()
        for line in lines:
            name, _, value = line.partition(b":")
            if self.quirk == "names are trimmed":
                name = name.strip(b" \t\x00\x0b\xa0\r")
            if self.quirk == "NUL ends a value":
                value = value.partition(b"\x00")[0]
            if name.lower() == b"content-length":
                lengths.append(value.strip())
            if name.lower() == b"transfer-encoding":
                codings.append(value.strip().lower())
        self.found.append((words[0], words[1], self._body(lengths, codings)))

    def _lines(self, head: bytes) -> list[bytes]:
        if self.quirk == "CR ends a line":
            head = head.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines: list[bytes] = []
        for line in head.split(b"\n"):
            text = line.removesuffix(b"\r")
            if lines and text[:1] in {b" ", b"\t"}:
                if self.quirk != "folded lines are dropped":
                    lines[-1] += b" " + text
            else:
                lines.append(text)
        return lines

    def _body(self, lengths: list[bytes], codings: list[bytes]) -> bytes:
        if self.quirk == "the first coding counts":
            codings = codings[:1]
        names = [name for name in re.split(rb"[, \t]+", b",".join(codings)) if name]
        chunked = names[-1:] == [b"chunked"]
        if self.quirk == "chunked stands anywhere":
            chunked = b"chunked" in b",".join(codings)
        if self.quirk == "a length wins over chunks" and lengths:
            chunked = False
        if chunked:
            return self._chunks()
        length = self._length(lengths)
        body = self.stream[self.at : self.at + length]
        if len(body) < length:
            raise _RefusedError
        self.at += length
        return body

    def _length(self, lengths: list[bytes]) -> int:
        members = [member.strip() for value in lengths for member in value.split(b",")]
        if self.quirk == "the first length counts":
            members = members[:1]
        if self.quirk == "the last length counts":
            members = members[-1:]
        if self.quirk == "lengths are read by atoi":
            return next((_number(rb"[+]?\d+", member, 10) for member in members), 0)
        if not all(member.isdigit() for member in members):
            raise _RefusedError
        return next((int(member) for member in members), 0)

    def _chunks(self) -> bytes:
        body = b""
        while size := self._size(self._line(self.quirk == "CR LF ends a size")):
            body += self.stream[self.at : self.at + size]
            self.at += size
            if self.quirk == "two bytes follow a chunk":
                self.at += 2
            elif self._line(exact=False).strip():
                raise _RefusedError
        while self._line(exact=False).removesuffix(b"\r"):
            pass
        return body

    def _size(self, line: bytes) -> int:
        text = line.partition(b";")[0]
        if self.quirk == "sizes are read by strtol":
            return _number(rb"\s*[+]?(0x)?[0-9a-fA-F]+", text, 16)
        if not re.fullmatch(rb"[0-9a-fA-F]+[ \t\r]*", text):
            raise _RefusedError
        return int(text, 16)

    def _line(self, exact: bool) -> bytes:
        end = self.stream.find(b"\r\n" if exact else b"\n", self.at)
        if end < 0:
            raise _RefusedError
        line, self.at = self.stream[self.at : end], end + (2 if exact else 1)
        return line


def _number(pattern: bytes, text: bytes, base: int) -> int:
    """Read a number at the beginning, as C does; without one it is 0."""
    match = re.match(pattern, text)
    return int(match[0], base) if match else 0
