from __future__ import annotations

import pytest

from blinktun.proxies.http_head import HttpError, read_request, read_response, read_trailers


def test_a_request() -> None:
    request = read_request(b"POST http://h/ HTTP/1.1\r\nHost: h\r\nA:  b c \r\na: d\r\n\r\n")
    assert (request.method, request.target, request.minor) == (b"POST", b"http://h/", 1)
    assert request.fields == [
        (b"host", b"Host", b"h"), (b"a", b"A", b"b c"), (b"a", b"a", b"d")
    ]  # fmt: skip
    assert request.values(b"a") == [b"b c", b"d"]
    assert not request.closes


def test_lists_are_joined_and_empty_members_are_none() -> None:
    request = read_request(b"GET x HTTP/1.1\r\nConnection: A , ,\r\nconnection:\tClose\r\n\r\n")
    assert request.items(b"connection") == [b"a", b"close"]
    assert request.options == {b"a", b"close"}
    assert request.closes


def test_a_response() -> None:
    response = read_response(b"HTTP/1.0 404 Not  Found \nA: b\n\n")
    assert (response.minor, response.status, response.reason) == (0, 404, b"Not  Found")
    assert response.fields == [(b"a", b"A", b"b")]
    assert response.closes


@pytest.mark.parametrize("status", [400, 505])
def test_a_reason_holds_nothing_of_the_request(status: int) -> None:
    version = b"1.1" if status == 400 else b"3.0"
    with pytest.raises(HttpError) as caught:
        read_request(b"GET http://u:secret@h/ HTTP/%b\r\nsecret\r\n\r\n" % version)
    assert caught.value.status == status
    assert "secret" not in str(caught.value)


def test_trailers_of_nothing() -> None:
    assert read_trailers(b"") == []
    assert read_trailers(b" A: b\r\nC: d\r\n") == [(b"c", b"C", b"d")]
