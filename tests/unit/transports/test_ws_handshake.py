from __future__ import annotations

import pytest

from blinktun.errors import RemoteError
from blinktun.transports.ws_handshake import ClientHandshake, ServerHandshake

# The example of RFC 6455, section 1.3.
NONCE = b"the sample nonce"
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
REQUEST = (
    b"GET /chat HTTP/1.1\r\nHost: server.example.com:80\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
)
REPLY = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n"
)


def client() -> ClientHandshake:
    return ClientHandshake("server.example.com:80", "/chat", NONCE)


def test_the_request() -> None:
    assert client().request == REQUEST


def test_an_answer_in_pieces_and_what_comes_behind_it() -> None:
    asked = client()
    for byte in REPLY[:-1]:
        assert asked.feed(bytes((byte,))) is None
    assert asked.feed(REPLY[-1:] + b"frames") == b"frames"


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (REPLY.replace(ACCEPT, b"x" + ACCEPT[1:]), "somebody else"),
        (b"HTTP/1.1 101 Hi\r\n\r\n", "somebody else"),
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "answered 400"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "answered 200"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 101 Hi\r\nx: " + b"y" * 100_000, "not HTTP"),
    ],
)
def test_answers_of_others(reply: bytes, problem: str) -> None:
    with pytest.raises(RemoteError, match=problem):
        client().feed(reply)


def test_a_request_in_pieces_and_what_comes_behind_it() -> None:
    asked = ServerHandshake("/chat")
    for byte in REQUEST[:-1]:
        assert asked.feed(bytes((byte,))) is None
    answer = asked.feed(REQUEST[-1:] + b"frames")
    assert answer is not None
    assert (answer.reply, answer.early, answer.refusal) == (REPLY, b"frames", "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"/chat", b"/chat?with=query"),
        (b"Version: 13", b"Version: 8"),
        (b"Upgrade: websocket", b"UPGRADE: WebSocket"),
        (b"Connection: Upgrade", b"Connection: keep-alive, upgrade"),
    ],
)
def test_requests_that_are_as_good(old: bytes, new: bytes) -> None:
    answer = ServerHandshake("/chat").feed(REQUEST.replace(old, new))
    assert answer is not None
    assert answer.reply == REPLY


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"/chat", b"/chats", "path"),
        (b"/chat", b"/Chat", "another request"),
        (b"Version: 13", b"Version: 7", "version"),
        (b"Key", b"Kee", "no WebSocket"),
        (b"Upgrade: websocket", b"Upgrade: h2c", "no WebSocket"),
        (b"GET", b"HEAD", "another request"),
        (b"Upgrade: websocket\r\n", b"", "ordinary"),
        (b"HTTP/1.1", b"HTTP/1.", "not HTTP"),
        (b"\r\n", b"x" * 100_000, "not HTTP"),
    ],
)
def test_requests_that_are_refused(old: bytes, new: bytes, problem: str) -> None:
    answer = ServerHandshake("/chat").feed(REQUEST.replace(old, new))
    assert answer is not None
    assert problem in answer.refusal
    assert not answer.reply


@pytest.mark.parametrize("place", range(len("GET /chat")))
def test_the_first_wrong_byte_is_enough(place: int) -> None:
    asked = ServerHandshake("/chat")
    for byte in REQUEST[:place]:
        assert asked.feed(bytes((byte,))) is None
    answer = asked.feed(b"~")
    assert answer is not None
    assert answer.refusal
