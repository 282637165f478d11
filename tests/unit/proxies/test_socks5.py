from __future__ import annotations

import pytest

from blinktun.address import Address
from blinktun.config.model import Credentials
from blinktun.effects import ConnectTo, Reject, Reply
from blinktun.proxies.base import Associate
from blinktun.proxies.refusal import Refusal
from blinktun.proxies.socks5 import Socks5

GREETING = b"\x05\x01\x00"
CONNECT = b"\x05\x01\x00\x01\x7f\x00\x00\x01\x1f\x90"
TARGET = Address("127.0.0.1", 8080)


def test_step_by_step() -> None:
    handshake = Socks5()
    assert handshake.start() == []
    assert handshake.receive(GREETING) == [Reply(b"\x05\x00")]
    assert handshake.receive(CONNECT) == [ConnectTo(TARGET)]
    assert handshake.granted() == bytes.fromhex("05000001000000000000")
    assert handshake.take_early() == b""


def test_pipelined_with_the_targets_first_bytes() -> None:
    handshake = Socks5()
    effects = handshake.receive(GREETING + CONNECT + b"early")
    assert effects == [Reply(b"\x05\x00"), ConnectTo(TARGET)]
    assert handshake.take_early() == b"early"
    assert handshake.take_early() == b""


def test_short_names() -> None:
    handshake = Socks5()
    handshake.receive(GREETING)
    request = b"\x05\x01\x00\x03\x01a\x00\x50"
    assert handshake.receive(request) == [ConnectTo(Address("a", 80))]


def test_login_pipelined() -> None:
    handshake = Socks5(Credentials("user", "pa:ss"))
    login = b"\x01\x04user\x05pa:ss"
    assert handshake.receive(b"\x05\x02\x00\x02" + login + CONNECT) == [
        Reply(b"\x05\x02"),
        Reply(b"\x01\x00"),
        ConnectTo(TARGET),
    ]


@pytest.mark.parametrize("login", [b"\x01\x04user\x04nope", b"\x01\x00\x00", b"\x05\x04user\x00"])
def test_wrong_login(login: bytes) -> None:
    handshake = Socks5(Credentials("user", "pass"))
    handshake.receive(b"\x05\x01\x02")
    assert handshake.receive(login) == [Reply(b"\x01\x01"), Reject("wrong username or password")]


def test_login_needed_and_not_offered() -> None:
    assert Socks5(Credentials("user", "pass")).receive(GREETING) == [
        Reply(b"\x05\xff"),
        Reject("no acceptable authentication method offered"),
    ]


def test_no_method_at_all() -> None:
    assert Socks5().receive(b"\x05\x00")[0] == Reply(b"\x05\xff")


@pytest.mark.parametrize("command", [0, 2, 4, 255])
def test_commands_that_are_not_offered(command: int) -> None:
    handshake = Socks5()
    handshake.receive(GREETING)
    request = bytes((5, command)) + CONNECT[2:]
    assert handshake.receive(request) == [
        Reply(bytes.fromhex("05070001000000000000")),
        Reject(f"command {command} is not offered"),
    ]


def test_wrong_versions() -> None:
    assert Socks5().receive(b"G") == [Reject("SOCKS version 71 does not exist")]
    handshake = Socks5()
    handshake.receive(GREETING)
    assert handshake.receive(b"\x04" + CONNECT[1:]) == [Reject("SOCKS version 4 in a request")]


@pytest.mark.parametrize("address", [b"\x02\x7f", b"\x03\x03a b\x00\x50"])
def test_targets_that_are_none(address: bytes) -> None:
    handshake = Socks5()
    handshake.receive(GREETING)
    reply, reject = handshake.receive(b"\x05\x01\x00" + address)
    assert reply == Reply(bytes.fromhex("05080001000000000000"))
    assert isinstance(reject, Reject)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (Refusal.FAILED, 1),
        (Refusal.NOT_ALLOWED, 2),
        (Refusal.HOST_UNREACHABLE, 4),
        (Refusal.CONNECTION_REFUSED, 5),
        (Refusal.TIMED_OUT, 4),
    ],
)
def test_refusals(reason: Refusal, code: int) -> None:
    assert Socks5().refused(reason) == bytes((5, code, 0, 1, 0, 0, 0, 0, 0, 0))


def test_datagrams() -> None:
    handshake = Socks5()
    handshake.receive(b"\x05\x01\x00")
    request = b"\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00"
    assert handshake.receive(request) == [Associate()]
    reply = b"\x05\x00\x00\x01\xc0\x00\x02\x01\x04\x38"
    assert handshake.granted_datagrams(Address("192.0.2.1", 1080)) == reply
