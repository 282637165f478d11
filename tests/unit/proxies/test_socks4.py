from __future__ import annotations

import pytest

from blinktun.address import Address
from blinktun.effects import ConnectTo, Reject, Reply
from blinktun.proxies.refusal import Refusal
from blinktun.proxies.socks4 import Socks4

HEAD = b"\x04\x01\x1f\x90"
REFUSED = Reply(b"\x00\x5b" + bytes(6))


@pytest.mark.parametrize(
    ("request_", "target"),
    [
        (HEAD + b"\x7f\x00\x00\x01\x00", Address("127.0.0.1", 8080)),
        (HEAD + b"\x7f\x00\x00\x01user\x00", Address("127.0.0.1", 8080)),
        (HEAD + b"\x00\x00\x00\x01id\x00localhost\x00", Address("localhost", 8080)),
        (HEAD + b"\x00\x00\x00\x00\x00", Address("0.0.0.0", 8080)),
    ],
)
def test_requests(request_: bytes, target: Address) -> None:
    for end in range(len(request_)):
        assert Socks4().receive(request_[:end]) == []
    handshake = Socks4()
    assert handshake.receive(request_ + b"early") == [ConnectTo(target)]
    assert handshake.take_early() == b"early"
    assert handshake.take_early() == b""
    assert handshake.granted() == b"\x00\x5a" + bytes(6)
    assert handshake.refused(Refusal.FAILED) == REFUSED.data


@pytest.mark.parametrize("command", [0, 2, 3])
def test_bind_is_not_connect(command: int) -> None:
    request = bytes((4, command)) + HEAD[2:] + b"\x7f\x00\x00\x01\x00"
    assert Socks4().receive(request) == [REFUSED, Reject(f"command {command} is not offered")]


@pytest.mark.parametrize(
    "text",
    [
        b"\x7f\x00\x00\x01" + b"u" * 256,
        b"\x7f\x00\x00\x01" + b"u" * 256 + b"\x00",
        b"\x00\x00\x00\x01\x00" + b"n" * 256,
        b"\x00\x00\x00\x01\x00bad name\x00",
    ],
)
def test_texts_are_bounded_and_checked(text: bytes) -> None:
    reply, reject = Socks4().receive(HEAD + text)
    assert reply == REFUSED
    assert isinstance(reject, Reject)


def test_wrong_version() -> None:
    assert Socks4().receive(b"\x05") == [REFUSED, Reject("SOCKS version 5 does not exist")]
