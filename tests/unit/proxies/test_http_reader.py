from __future__ import annotations

import re

import pytest

from blinktun.proxies import http_reader
from blinktun.proxies.http_framing import Chunked, Length
from blinktun.proxies.http_head import HttpError
from blinktun.proxies.http_reader import MAX_HEAD, Reader


def test_heads_and_bodies_one_behind_the_other() -> None:
    reader = Reader(strict=True)
    reader.feed(b"\r\none\r\n\r\n12345two\n\n3\r\nabc\r\n0\r\n\r\nthree")
    assert reader.take_head() == b"one\r\n\r\n"
    reader.expect_body(Length(5))
    assert reader.read_body() == b"12345"
    assert reader.body_ended
    assert reader.read_body(b"!") == b""
    assert reader.take_head() == b"two\n\n"
    reader.expect_body(Chunked())
    assert reader.read_body() == b"abc"
    assert reader.take_head() is None
    assert not reader.is_empty
    assert reader.take_rest() == b"three!"
    assert reader.is_empty


def test_an_end_between_messages_is_none_of_a_body() -> None:
    reader = Reader(strict=True)
    reader.end()
    assert reader.body_ended


@pytest.mark.parametrize("size", [1, 4096, 100_000])
def test_the_bound_of_a_head(size: int) -> None:
    fits = b"x" * (MAX_HEAD - 4) + b"\r\n\r\n"
    assert _take_head(fits, size) == fits
    with pytest.raises(HttpError) as caught:
        _take_head(b"x" + fits, size)
    assert caught.value.status == 431


def _take_head(head: bytes, size: int) -> bytes | None:
    reader, found = Reader(strict=True), None
    for at in range(0, len(head), size):
        reader.feed(head[at : at + size])
        found = reader.take_head()
    return found


def test_a_head_that_comes_byte_by_byte_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = 0

    class Counting:
        def search(self, data: bytearray, at: int) -> re.Match[bytes] | None:
            nonlocal searched
            searched += len(data) - at
            return re.compile(rb"\n\r?\n").search(data, at)

    monkeypatch.setattr(http_reader, "_HEAD_END", Counting())
    reader = Reader(strict=True)
    for byte in b"a: b\r\n" * 10_000 + b"\r\n":
        reader.feed(bytes((byte,)))
        head = reader.take_head()
    assert head is not None
    assert searched <= 3 * len(head)


def test_empty_lines_before_a_head_are_not_kept() -> None:
    reader = Reader(strict=True)
    for _ in range(1000):
        reader.feed(b"\r\n\n" * 1000)
        assert reader.take_head() is None
        assert reader.is_empty
    for byte in b"\r\nhead\n\n":
        reader.feed(bytes((byte,)))
        head = reader.take_head()
    assert head == b"head\n\n"
