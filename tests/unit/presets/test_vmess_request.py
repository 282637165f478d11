from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest

from blinktun.address import Address
from blinktun.crypto.stream import STREAM_METHODS
from blinktun.errors import LocalError, RemoteError
from blinktun.presets.vmess_request import Request, User, md5, open_response, seal_response

if TYPE_CHECKING:
    from collections.abc import Callable

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors/blinksocks/primitives.json").read_text("utf-8")
)
NOW = 1_530_000_000
ID = UUID("c2485913-4e9e-41eb-8cc5-b2e7db8d3bc7").bytes
MAGIC = b"c48619fe-8f02-49e0-b9e9-edf763e17e21"
REQUEST = Request(bytes(range(16)), bytes(range(16, 32)), 42, 5, 3, Address("example.com", 443))


def _vectors(name: str) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", VECTORS[name])


@pytest.mark.parametrize("vector", _vectors("vmess_auth"))
def test_recorded_auths(vector: dict[str, Any]) -> None:
    second = vector["timestamp"]
    sealed = User(UUID(vector["uuid"]).bytes).seal(REQUEST, b"", second)
    assert sealed[:16].hex() == vector["auth"]
    key, iv = bytes.fromhex(vector["cmd_key"]), bytes.fromhex(vector["cmd_iv"])
    plain = bytes(STREAM_METHODS["aes-128-cfb"].decryptor(key, iv).update(sealed[16:]))
    assert plain[:17] == b"\x01" + REQUEST.iv


@pytest.mark.parametrize("vector", _vectors("vmess_response_keys"))
def test_recorded_answers(vector: dict[str, Any]) -> None:
    request = replace(
        REQUEST,
        iv=bytes.fromhex(vector["request_iv"]),
        key=bytes.fromhex(vector["request_key"]),
        check=vector["v"],
    )
    assert request.answer_iv.hex() == vector["response_iv"]
    assert request.answer_key.hex() == vector["response_key"]
    wire = bytes.fromhex(vector["response_header_wire"])
    assert open_response(request, wire) == 0
    # The second byte is ours to choose: v2ray calls it options.
    assert seal_response(request)[:1] == wire[:1]


def test_an_answer_to_another() -> None:
    with pytest.raises(RemoteError, match="another request"):
        open_response(replace(REQUEST, check=41), seal_response(REQUEST))


@pytest.mark.parametrize(
    "target",
    [
        Address("127.0.0.1", 0),
        Address("2001:db8::1", 65535),
        Address("a", 80),
        Address(".".join(["x" * 61] * 4), 1),
    ],
    ids=["IPv4", "IPv6", "short", "long"],
)
@pytest.mark.parametrize("padding", [b"", b"123456789012345"])
def test_requests_come_back_when_complete(target: Address, padding: bytes) -> None:
    request = replace(REQUEST, target=target)
    user = User(ID)
    sealed = user.seal(request, padding, NOW)
    assert user.find(sealed[:16], NOW) == NOW
    command = sealed[16:]
    assert all(user.open(command[:size], NOW) is None for size in range(len(command)))
    assert user.open(command + b"more", NOW) == (request, len(command))
    assert len(command) <= 316


def test_a_host_that_does_not_fit() -> None:
    with pytest.raises(LocalError):
        User(ID).seal(replace(REQUEST, target=Address("x" * 256, 1)), b"", NOW)


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (0, 2, "version 2 of the request is not known"),
        (5, 0xEE, "the checksum of the request does not fit"),
        (37, 2, "command 2 is not supported, only TCP is"),
        (40, 4, "address type 4 does not exist"),
        (42, ord(" "), "the host is neither a name nor an address"),
    ],
)
def test_refused_requests(at: int, value: int, reason: str) -> None:
    plain = bytearray(_command(User(ID).seal(REQUEST, b"", NOW)))
    plain[at] = value
    checksum = plain[-4:] if at == 5 else _fnv1a(plain[:-4])
    sealed = _cfb().encryptor(_key(), _iv()).update(bytes(plain[:-4] + checksum))
    with pytest.raises(RemoteError, match=reason):
        User(ID).open(bytes(sealed), NOW)


@pytest.mark.parametrize("vector", _vectors("fnv1a_32"))
def test_our_own_checksum(vector: dict[str, Any]) -> None:
    assert _fnv1a(bytes.fromhex(vector["data"])).hex() == vector["hash_be"]


def test_a_minute_either_way_is_now() -> None:
    user = User(ID)
    auths = {second: user.seal(REQUEST, b"", second)[:16] for second in range(NOW - 61, NOW + 62)}
    assert [user.find(auths[second], NOW) for second in (NOW - 60, NOW, NOW + 60)] == [
        NOW - 60,
        NOW,
        NOW + 60,
    ]
    assert user.find(auths[NOW - 61], NOW) is None
    assert user.find(auths[NOW + 61], NOW) is None


def test_the_table_moves_with_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    user = User(ID)
    computed: list[int] = []
    compute: Callable[[int], bytes] = user._auth

    def counted(second: int) -> bytes:
        computed.append(second)
        return compute(second)

    monkeypatch.setattr(user, "_auth", counted)
    for _ in range(5):
        assert user.find(bytes(16), NOW) is None
    assert len(computed) == 121
    assert user.find(compute(NOW + 61), NOW + 1) == NOW + 61
    assert user.find(compute(NOW - 60), NOW + 1) is None
    assert computed[121:] == [NOW + 61]
    assert user.find(compute(NOW), NOW + 10_000) is None
    assert user.find(compute(NOW), NOW) == NOW  # a clock that was set back
    assert len(user._auths) == 121


def _command(sealed: bytes) -> bytes:
    return bytes(_cfb().decryptor(_key(), _iv()).update(sealed[16:]))


def _cfb() -> Any:
    return STREAM_METHODS["aes-128-cfb"]


def _key() -> bytes:
    return md5(ID + MAGIC)


def _iv() -> bytes:
    return md5(NOW.to_bytes(8, "big") * 4)


def _fnv1a(data: bytes | bytearray) -> bytes:
    value = 2166136261
    for byte in data:
        value = ((value ^ byte) * 16777619) % 2**32
    return value.to_bytes(4, "big")
