"""Streams of HTTP messages that try to be read in two ways, made from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random


class Spellings(NamedTuple):
    """Ways to write something."""

    plain: Sequence[bytes]
    odd: Sequence[bytes]


LINE_ENDS = Spellings([b"\r\n"], [b"\n", b"\n", b"\r", b"\r\r\n", b" \r\n", b"\x0b\r\n", b"\r\n "])
METHODS = Spellings([b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS"], [b"get", b"M-SEARCH", b"G@T"])
TARGETS = Spellings(
    [b"http://h/", b"http://h:81/a?b", b"http://h?q", b"http://h/\xe6\xb5\x8b", b"ws://h/"],
    [b"http://h/a b", b"http://h/\x7f", b"http://h/\t", b"/", b"*", b"http://u@h/#f", b"h:80"],
)
SPACES = Spellings([b" "], [b"  ", b"\t"])
VERSIONS = Spellings([b"HTTP/1.1"], [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP"])
STATUS_LINES = Spellings(
    [b"HTTP/1.1 200 OK"],
    [
        *(b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No", b"HTTP/1.1 304 No", b"HTTP/1.1 100 Continue"),
        *(b"ICY 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 404 \xe9\x01", b"http/1.2  200  OK "),
        *(b"HTTP/2 200", b"HTTP/1.1 101 Switching Protocols", b"HTTP/1.1 500 A\rB", b"<html>"),
        b"HTTP/1.1 200OK",
    ],
)
AROUND_NAMES = Spellings(
    [b"%b"], [b"%b ", b"%b\t", b" %b", b"%b\x00", b"%b\x0b", b"%b\xa0", b"x%b", b"\r%b"]
)
COLONS = Spellings([b": ", b":"], [b":\t", b" : ", b"", b"::", b":\r\n ", b":\n\t", b": \x0b"])
FIELDS = {
    b"Content-Length": Spellings(
        [b"5", b"0", b"46"],
        [
            *(b"05", b"5, 5", b"5,6", b"+5", b"-5", b"0x5", b"5 5", b"5;a", b"", b"9" * 25),
            *(b"5\x0b", b"5,"),
        ],
    ),
    b"Transfer-Encoding": Spellings(
        [b"chunked"],
        [
            *(
                b"Chunked",
                b"chunked ",
                b",chunked",
                b"identity",
                b"gzip, chunked",
                b"chunked, gzip",
            ),
            *(b"chunked, identity", b"xchunked", b"chunked;a=b", b'"chunked"', b"\x0bchunked"),
            *(b"chunked\x00", b"chun\r\n ked", b"chunked, chunked", b"chunked\r\n\t", b"", b"gzip"),
        ],
    ),
    b"Host": Spellings([b"h"], [b"other", b"", b"h\r\n x"]),
    b"Connection": Spellings(
        [b"keep-alive"],
        [b"close", b"upgrade", b"content-length", b"transfer-encoding", b"host, X"],
    ),
    b"X": Spellings(
        [b"a", b"", b"\xc3\xa9\xff", b"a\tb", b"a: b"],
        [
            *(b"a\r\n b", b"a\nContent-Length: 5", b"a\rContent-Length: 5", b"a\x00b", b"a\x1bb"),
            *(b"a\r\n\r\nGET http://evil/ HTTP/1.1\r\n", b'"'),
        ],
    ),
    b"Upgrade": Spellings([b"websocket"], [b"h2c"]),
    b"Expect": Spellings([b"100-continue"], [b"nonsense"]),
    b"": Spellings([b"a"], [b""]),
    b"X[y]": Spellings([b"a"], [b""]),
    b"Content_Length": Spellings([b"5"], [b"6"]),
    b"Trailer": Spellings([b"X"], [b"Content-Length"]),
}
NAMES = Spellings([b"Host", b"X", b"Connection"], list(FIELDS))
EVIL = b"GET http://evil/ HTTP/1.1\r\nHost: evil\r\n\r\n"
DATA = Spellings([b"hello", EVIL], [b"0\r\n\r\n", b"\r\n", b"5\r\n", b"x" * 16])
SIZES = Spellings(
    [b"%x", b"%x", b"%X "], [b"0%x", b" %x", b"+%x", b"0x%x", b"%xh", b"%x\x00", b"%x\r", b"-%x"]
)
EXTENSIONS = Spellings(
    [b"", b"", b";a=b"], [b";a", b';a="\r"', b";a\n", b" ; a", b";\x00", b";" + b"x" * 30]
)
CHUNK_ENDS = Spellings([b"\r\n"], [b"\n", b"\r", b"", b"x\r\n", b"\r\r\n"])
_ODD = 0.07
"""The share of odd spellings, as long as a stream may have some."""

SPECIAL = b"\x00\t\n\x0b\r ,:;05x\x7f\x85\xa0\xff"


class Streams:
    """Makes streams, each with some oddities.

    Args:
        random: Decides everything.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._left = random.choice([0, 1, 1, 1, 2, 2, 100])

    def requests(self) -> bytes:
        """Return what an application sends: some requests."""
        count = self._random.randint(1, 4)
        return self._mutate(b"".join(self._message(self._request_line()) for _ in range(count)))

    def response(self) -> bytes:
        """Return what an origin sends: a response, perhaps with another one before or behind it."""
        count = self._random.choice([1, 1, 2])
        return self._mutate(b"".join(self._message(self._pick(STATUS_LINES)) for _ in range(count)))

    def cut(self, stream: bytes) -> list[bytes]:
        """Return the stream in pieces."""
        pieces, at = [], 0
        while at < len(stream):
            size = self._random.choice([1, 3, 20, 100, 1000, 1000, 1000])
            pieces.append(stream[at : at + size])
            at += size
        return pieces

    def _pick(self, spellings: Spellings) -> bytes:
        return self._random.choice(spellings.odd if self._is_odd() else spellings.plain)

    def _is_odd(self) -> bool:
        """Whether something odd comes next: mostly one thing in a stream, which others survive."""
        odd = self._left > 0 and self._random.random() < _ODD
        self._left -= odd
        return odd

    def _request_line(self) -> bytes:
        parts = self._pick(METHODS), self._pick(TARGETS), self._pick(VERSIONS)
        return self._pick(SPACES).join(parts)

    def _message(self, first: bytes) -> bytes:
        random = self._random
        names = [self._pick(NAMES) for _ in range(random.randint(0, 2))]
        body = random.choice([b"", self._pick(DATA), self._chunks()])
        if body and not self._is_odd():
            by_length = body in DATA.plain and random.random() < 0.9
            names.append(b"Content-Length" if by_length else b"Transfer-Encoding")
        random.shuffle(names)
        lines = [first, *(self._field(name, body) for name in names), b""]
        return b"".join(line + self._pick(LINE_ENDS) for line in lines) + body

    def _field(self, name: bytes, body: bytes) -> bytes:
        spelled = self._random.choice([name, name, name.lower(), name.upper()])
        value = self._pick(FIELDS[name])
        if name == b"Content-Length" and not self._is_odd():
            value = b"%d" % len(body)
        return self._pick(AROUND_NAMES) % spelled + self._pick(COLONS) + value

    def _chunks(self) -> bytes:
        parts = []
        for data in [*(self._pick(DATA) for _ in range(self._random.randint(0, 2))), b""]:
            line = self._pick(SIZES) % len(data) + self._pick(EXTENSIONS) + self._pick(LINE_ENDS)
            parts.append(line + (data + self._pick(CHUNK_ENDS) if data else b""))
        if self._random.random() < 0.2:
            parts.append(self._field(self._pick(NAMES), b"") + self._pick(LINE_ENDS))
        return b"".join((*parts, self._pick(CHUNK_ENDS)))

    def _mutate(self, stream: bytes) -> bytes:
        random = self._random
        if random.random() < 0.9:
            return stream
        changed = bytearray(stream)
        for _ in range(random.randint(1, 3)):
            at = random.randrange(len(changed) + 1)
            changed[at : at + random.choice([0, 1])] = bytes((random.choice(SPECIAL),))
        return bytes(changed)
