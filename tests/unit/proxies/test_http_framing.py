from __future__ import annotations

import pytest

from blinktun.proxies.http_framing import (
    Chunked,
    Framing,
    Length,
    Nothing,
    UntilEnd,
    is_ambiguous,
    request_framing,
    response_framing,
)
from blinktun.proxies.http_head import HttpError, Response, read_request, read_response


def _response(*fields: bytes, status: int = 200, version: bytes = b"1.1") -> Response:
    first = b"HTTP/%b %d OK" % (version, status)
    return read_response(b"\r\n".join((first, *fields, b"", b"")))


LENGTH, CHUNKS, GZIP = (
    b"Content-Length: 9",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip",
)


@pytest.mark.parametrize(
    ("fields", "framing"),
    [((), Nothing()), ((LENGTH,), Length(9)), ((CHUNKS,), Chunked()), ((b"A: b",), Nothing())],
)
def test_requests(fields: tuple[bytes, ...], framing: Framing) -> None:
    head = b"\r\n".join((b"POST http://h/ HTTP/1.1", *fields, b"", b""))
    assert request_framing(read_request(head)) == framing


@pytest.mark.parametrize(
    ("method", "status", "fields", "framing"),
    [
        (b"GET", 200, (LENGTH,), Length(9)),
        (b"GET", 200, (), UntilEnd()),
        (b"GET", 200, (CHUNKS,), Chunked()),
        (b"GET", 200, (CHUNKS, LENGTH), Chunked()),
        (b"GET", 200, (CHUNKS, b"Content-Length: nonsense"), Chunked()),
        (b"GET", 200, (GZIP, CHUNKS), Chunked((b"gzip",))),
        (b"GET", 200, (GZIP,), UntilEnd((b"gzip",))),
        (b"HEAD", 200, (LENGTH,), Nothing(9)),
        (b"HEAD", 200, (CHUNKS,), Nothing()),
        (b"HEAD", 200, (), Nothing()),
        (b"GET", 304, (LENGTH,), Nothing(9)),
        (b"GET", 204, (LENGTH,), Nothing()),
        (b"GET", 103, (LENGTH,), Nothing()),
        (b"GET", 205, (), UntilEnd()),
    ],
)
def test_responses(method: bytes, status: int, fields: tuple[bytes, ...], framing: Framing) -> None:
    assert response_framing(_response(*fields, status=status), method) == framing


def test_a_length_that_is_none_is_a_failure() -> None:
    with pytest.raises(HttpError) as caught:
        response_framing(_response(b"Content-Length: -1"), b"GET")
    assert caught.value.status == 502


def test_responses_that_others_could_end_elsewhere() -> None:
    assert not is_ambiguous(_response(LENGTH))
    assert not is_ambiguous(_response(CHUNKS))
    assert is_ambiguous(_response(CHUNKS, LENGTH))
    assert is_ambiguous(_response(CHUNKS, version=b"1.0"))
