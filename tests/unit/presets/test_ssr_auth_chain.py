from __future__ import annotations

import hmac

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from blinktun.address import Address
from blinktun.config.model import PresetSpec
from blinktun.effects import Forward, Reject
from blinktun.errors import ConfigError, LocalError, RemoteError
from blinktun.presets import ssr_auth_chain
from blinktun.presets.base import Preset, PresetContext, Role
from blinktun.presets.registry import PRESETS, PipelineMaker
from blinktun.presets.ss_stream_cipher import SsStreamCipher
from blinktun.presets.ssr_auth import Stamp
from blinktun.testing.pair import PipelinePair, forwarded
from blinktun.testing.randomness import Counting

NAMES = ["ssr-auth-chain-a", "ssr-auth-chain-b"]
TARGET = Address("example.com", 443)
NOW = 1_530_000_000

any_name = pytest.mark.parametrize("name", NAMES)


def _pair(name: str) -> PipelinePair:
    specs = [
        PresetSpec("ss-base"),
        PresetSpec(name),
        PresetSpec("ss-stream-cipher", {"method": "none"}),
    ]
    return PipelinePair(specs, TARGET)


def _server(name: str) -> tuple[Preset, bytes]:
    context = PresetContext(Role.SERVER, "key", Counting(), lambda: NOW)
    made = PRESETS[name].configure({})(context)
    cipher = SsStreamCipher.configure({"method": "none"})(context)
    assert isinstance(cipher, SsStreamCipher)
    cipher.client_iv = b""
    made.attach([made, cipher])
    return made, cipher.user_key


def _handshake(name: str, key: bytes, overhead: int = 4) -> tuple[bytes, bytes]:
    """A client's handshake, and the hash that its first chunk builds on."""
    salt = name.removeprefix("ssr-").replace("-", "_").encode()
    part1 = b"abcd"
    hash1 = hmac.digest(key, part1, "md5")
    part2 = b"user" + Stamp(NOW, b"", 0, overhead, 0).seal(key, salt)
    return part1 + hash1[:8] + part2 + hmac.digest(key, part2, "md5")[:4], hash1


@any_name
def test_rc4_missing_from_the_library(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_key: bytes) -> None:
        raise UnsupportedAlgorithm("no RC4 here")

    monkeypatch.setattr(ssr_auth_chain, "rc4", refuse)
    with pytest.raises(ConfigError, match="RC4, which OpenSSL here does not have"):
        PipelineMaker([PresetSpec("ss-base"), PresetSpec(name), PresetSpec("ss-stream-cipher")])


@any_name
@pytest.mark.parametrize("size", [1, 1456, 2800, 2801, 200_000])
def test_large_writes_are_cut(name: str, size: int) -> None:
    pair = _pair(name)
    plain = bytes(size)
    effects = pair.client.encode(plain)
    assert len(effects) == 1
    assert forwarded(pair.server.decode(forwarded(effects))) == plain
    assert forwarded(pair.client.decode(forwarded(pair.server.encode(plain)))) == plain
    assert pair.client.decode_eof() == pair.server.decode_eof() == []


@any_name
def test_full_chunks_have_no_random_bytes(name: str) -> None:
    pair = _pair(name)
    up = forwarded(pair.client.encode(bytes(2800 * 3 - 15)))
    assert len(up) == 36 + 3 * (2800 + 4)
    forwarded(pair.server.decode(up))
    down = forwarded(pair.server.encode(bytes(1456 * 3 - 2)))
    assert len(down) == 3 * (1456 + 4)


@any_name
def test_the_greeting_of_a_server_goes_out_once_and_is_not_data(name: str) -> None:
    pair = _pair(name)
    forwarded(pair.server.decode(forwarded(pair.client.encode(b"x"))))
    first, second = (forwarded(pair.server.encode(data)) for data in (b"first", b"second"))
    plain = [forwarded(pair.client.decode(bytes((byte,)))) for byte in first + second]
    assert b"".join(plain) == b"firstsecond"


@any_name
@pytest.mark.parametrize("overhead", [0, 4, 2000, 0xFFFF])
def test_a_server_survives_every_overhead(name: str, overhead: int) -> None:
    server, key = _server(name)
    handshake, _ = _handshake(name, key, overhead)
    assert list(server.decode(handshake)) == []
    assert len(forwarded(server.encode(bytes(5000)))) > 5000


@any_name
def test_too_long_a_chunk_is_refused_before_it_is_kept(name: str) -> None:
    for size, refused in ((4091, False), (4092, True), (0xFFFF, True)):
        server, key = _server(name)
        handshake, last = _handshake(name, key)
        head = (size ^ int.from_bytes(last[14:16], "little")).to_bytes(2, "little")
        effects = list(server.decode(handshake + head + b"xx"))
        expected = [Reject(f"a chunk of {size} bytes and 0 random ones is too long")]
        assert effects == (expected if refused else [])


@any_name
def test_a_changed_byte_is_refused_behind_what_came_before(name: str) -> None:
    pair = _pair(name)
    first = forwarded(pair.client.encode(b"first"))
    second = bytearray(forwarded(pair.client.encode(bytes(2000))))
    second[1000] ^= 1
    effects = pair.server.decode(first + bytes(second))
    assert effects[1:] == [Forward(b"first"), Reject("the MAC of a chunk does not fit")]


@any_name
def test_answers_before_the_handshake(name: str) -> None:
    server, _ = _server(name)
    with pytest.raises(LocalError, match="before the handshake"):
        server.encode(b"too early")
    effects = _pair(name).client.decode(b"unasked")
    assert effects == [Reject("the server answered before it was asked")]


@any_name
def test_a_datagram_with_another_mac_is_refused(name: str) -> None:
    pair = _pair(name)
    wire = bytearray(pair.client.encode_datagram(b"question", TARGET))
    wire[-1] ^= 1
    with pytest.raises(RemoteError, match="does not fit"):
        pair.server.decode_datagram(bytes(wire))


@any_name
def test_datagrams_that_are_too_short(name: str) -> None:
    server, key = _server(name)
    with pytest.raises(RemoteError, match="does not fit"):
        server.decode_datagram(bytes(7))
    refusals: set[str] = set()
    for seed in range(20):
        message = bytes((seed,)) * 7
        wire = message + hmac.digest(key, message, "md5")[:1]
        try:
            assert server.decode_datagram(wire) == b""
        except RemoteError as error:
            refusals.add(str(error))
    assert refusals == {"a datagram is shorter than its random bytes"}
