from __future__ import annotations

import pytest

from blinktun.proxies.http_body import BodyError, body_of, write_chunk
from blinktun.proxies.http_framing import Chunked, Framing, Length, Nothing, UntilEnd


@pytest.mark.parametrize("framing", [Nothing(), Nothing(9), Length(0)])
def test_no_body(framing: Framing) -> None:
    body = body_of(framing, strict=True)
    assert body.ended
    assert body.read(b"next") == (b"", b"next")
    body.end()


def test_a_body_of_known_length_is_counted_and_not_copied() -> None:
    body = body_of(Length(10), strict=True)
    piece = b"0123"
    assert body.read(piece)[0] is piece
    with pytest.raises(BodyError, match="too early"):
        body.end()
    assert body.read(b"456789next") == (b"456789", b"next")
    assert body.ended
    body.end()


def test_a_body_up_to_the_end() -> None:
    body = body_of(UntilEnd(), strict=False)
    assert body.read(b"abc") == (b"abc", b"")
    assert not body.ended
    body.end()
    assert body.ended


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_chunks_however_they_are_cut(size: int) -> None:
    sent = b"5\r\nhello\r\n00A;x\r\n, world!!\n\r\n0\r\nA: b\r\n\r\nnext"
    body = body_of(Chunked(), strict=True)
    read = rest = b""
    for at in range(0, len(sent), size):
        assert not body.ended or rest
        piece, behind = body.read(sent[at : at + size]) if not body.ended else (b"", sent[at:])
        read += piece
        rest = bytes(behind)
        if body.ended:
            rest += sent[at + size :]
            break
    assert (read, rest) == (b"hello, world!!\n", b"next")
    assert [field.name for field in body.trailers] == [b"A"]


@pytest.mark.parametrize("end", [b"", b"5", b"5\r\nhel", b"5\r\nhello\r\n", b"0\r\n"])
def test_chunks_that_end_too_early(end: bytes) -> None:
    body = body_of(Chunked(), strict=False)
    body.read(end)
    with pytest.raises(BodyError, match="too early"):
        body.end()


@pytest.mark.parametrize("size", [1, 100_000])
@pytest.mark.parametrize(
    ("begin", "more", "bound"),
    [(b"5;", b"x", 4096), (b"1\r\nx", b"x", 4096), (b"0\r\n", b"A: b\r\n", 65536 + 6)],
)
def test_what_stands_between_chunks_is_bounded(
    begin: bytes, more: bytes, bound: int, size: int
) -> None:
    body = body_of(Chunked(), strict=False)
    body.read(begin)
    sent = more * 20_000
    taken = 0

    def read_all() -> None:
        nonlocal taken
        for at in range(0, len(sent), size):
            body.read(sent[at : at + size])
            taken += size

    with pytest.raises(BodyError, match="too long"):
        read_all()
    assert taken <= bound


def test_a_chunk_is_written_once() -> None:
    assert write_chunk(b"") == b""
    assert write_chunk(memoryview(b"x" * 26)) == b"1a\r\n" + b"x" * 26 + b"\r\n"
