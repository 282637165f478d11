from __future__ import annotations

import hmac

import pytest

from blinktun.address import Address
from blinktun.config.model import PresetSpec
from blinktun.effects import Forward, Reject
from blinktun.errors import RemoteError
from blinktun.presets.base import Preset, PresetContext, Role
from blinktun.presets.registry import PRESETS, PipelineMaker
from blinktun.presets.ss_stream_cipher import SsStreamCipher
from blinktun.testing.pair import PipelinePair, forwarded
from blinktun.testing.randomness import Counting

NAMES = ["ssr-auth-aes128-md5", "ssr-auth-aes128-sha1"]
PLAIN = bytes(range(256)) * 4

any_name = pytest.mark.parametrize("name", NAMES)


def _client(name: str) -> tuple[Preset, bytes]:
    """A client that reads a server's chunks, and the user key."""
    context = PresetContext(Role.CLIENT, "key", Counting())
    made = PRESETS[name].configure({})(context)
    cipher = SsStreamCipher.configure({"method": "none"})(context)
    assert isinstance(cipher, SsStreamCipher)
    made.attach([made, cipher])
    return made, cipher.user_key


def _chunk(name: str, user_key: bytes, body: bytes, *, number: int = 1, size: int = -1) -> bytes:
    """A chunk with right MACs around whatever pad and data are given."""
    digest = name.rsplit("-", 1)[1]
    key = user_key + number.to_bytes(4, "little")
    head = (8 + len(body) if size < 0 else size).to_bytes(2, "little")
    chunk = head + hmac.digest(key, head, digest)[:2] + body
    return chunk + hmac.digest(key, chunk, digest)[:4]


@any_name
@pytest.mark.parametrize(
    "pad",
    [
        b"\x01",
        b"\x07" + bytes(6),
        b"\xfe" + bytes(253),
        b"\xff\x03\x00",
        b"\xff\x81\x00" + bytes(126),
        b"\xff\x00\x01" + bytes(253),
    ],
    ids=lambda pad: f"{pad[0]}-{len(pad)}",
)
def test_both_forms_of_pads(name: str, pad: bytes) -> None:
    client, key = _client(name)
    assert forwarded(client.decode(_chunk(name, key, pad + PLAIN))) == PLAIN


@any_name
@pytest.mark.parametrize(
    "pad",
    [b"\x00" + bytes(255), b"\xff\x00\x00" + bytes(252), b"\xff\x01\x01" + bytes(252)],
    ids=["00", "ff0000", "ff0101"],
)
def test_the_pads_that_upstream_gets_wrong(name: str, pad: bytes) -> None:
    client, key = _client(name)
    wire = _chunk(name, key, pad + PLAIN) + _chunk(name, key, b"\x01next", number=2)
    assert forwarded(client.decode(wire)) == PLAIN + b"next"


@any_name
@pytest.mark.parametrize("size", [7925, 7926, 7927])
def test_random_bytes_that_look_like_a_length(name: str, size: int) -> None:
    plain = bytes(size)
    for pad in (b"\xff\x10\x00" + bytes(252), b"\xff\x10\x00" + bytes(13)):
        client, key = _client(name)
        assert forwarded(client.decode(_chunk(name, key, pad + plain))) == plain


@any_name
@pytest.mark.parametrize("body", [b"\x02", b"\x00" + bytes(254), b"\xff\x04\x00"])
def test_a_pad_beyond_its_chunk_is_refused(name: str, body: bytes) -> None:
    client, key = _client(name)
    assert list(client.decode(_chunk(name, key, body))) == [
        Reject("the pad of a chunk is longer than the chunk")
    ]


@any_name
@pytest.mark.parametrize("size", [0, 8, 0x2001, 0xFFFF])
def test_impossible_sizes_are_refused_before_anything_is_kept(name: str, size: int) -> None:
    client, key = _client(name)
    wire = _chunk(name, key, b"\x01", size=size)[:4]
    assert list(client.decode(wire)) == [
        Reject(f"a chunk of {size} bytes is not within 9 and 8192")
    ]


@any_name
def test_the_longest_chunk(name: str) -> None:
    client, key = _client(name)
    plain = bytes(0x2000 - 9)
    assert forwarded(client.decode(_chunk(name, key, b"\x01" + plain))) == plain


@any_name
@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (0, "the MAC of a chunk's size does not fit"),
        (3, "the MAC of a chunk's size does not fit"),
        (5, "the MAC of a chunk does not fit"),
        (-1, "the MAC of a chunk does not fit"),
    ],
)
def test_a_changed_byte_is_refused_behind_what_came_before(name: str, at: int, reason: str) -> None:
    client, key = _client(name)
    second = bytearray(_chunk(name, key, b"\x01second", number=2))
    second[at] ^= 1
    wire = _chunk(name, key, b"\x01first") + bytes(second)
    assert list(client.decode(wire)) == [Forward(b"first"), Reject(reason)]


@any_name
def test_chunks_cannot_change_places(name: str) -> None:
    client, key = _client(name)
    wire = _chunk(name, key, b"\x01second", number=2)
    assert list(client.decode(wire)) == [Reject("the MAC of a chunk's size does not fit")]


@any_name
def test_every_pad_that_is_sent_can_be_read_by_all(name: str) -> None:
    specs = [
        PresetSpec("ss-base"),
        PresetSpec(name),
        PresetSpec("ss-stream-cipher", {"method": "none"}),
    ]
    pair = PipelinePair(specs, Address("example.com", 1))
    forwarded(pair.server.decode(forwarded(pair.client.encode(b"x"))))
    for _ in range(300):
        wire = forwarded(pair.server.encode(b"y"))
        pad = wire[4:-5]
        if pad[0] == 0xFF:
            assert len(pad) == int.from_bytes(pad[1:3], "little") <= 256
        else:
            assert 1 <= pad[0] == len(pad)
        assert forwarded(pair.client.decode(wire)) == b"y"


@any_name
@pytest.mark.parametrize("size", [1, 7925, 7926, 200_000])
def test_large_writes_are_cut(name: str, size: int) -> None:
    specs = [PresetSpec("ss-base"), PresetSpec(name), PresetSpec("ss-stream-cipher")]
    pair = PipelinePair(specs, Address("example.com", 1))
    plain = bytes(size)
    effects = pair.client.encode(plain)
    assert len(effects) == 1
    assert forwarded(pair.server.decode(forwarded(effects))) == plain
    assert forwarded(pair.client.decode(forwarded(pair.server.encode(plain)))) == plain
    assert pair.client.decode_eof() == pair.server.decode_eof() == []


@any_name
def test_the_handshake_fits_into_one_segment(name: str) -> None:
    def most(size: int) -> bytes:
        return b"\x00\x04" if size == 2 else b"\xff" * size  # 1024 random bytes, 31 of payload

    specs = [PresetSpec("ss-base"), PresetSpec(name), PresetSpec("ss-stream-cipher")]
    client = PipelineMaker(specs)(PresetContext(Role.CLIENT, "key", most))
    client.set_target(Address(".".join(["a" * 63] * 3 + ["a" * 61]), 1))
    assert len(forwarded(client.encode(bytes(31)))) == 16 + 35 + 1024 + 257 + 31 < 1448


@any_name
@pytest.mark.parametrize("size", [0, 3, 7])
def test_short_datagrams_are_refused(name: str, size: int) -> None:
    client, _ = _client(name)
    with pytest.raises(RemoteError, match="does not fit"):
        client.decode_datagram(bytes(size))


@any_name
def test_a_changed_datagram_is_refused(name: str) -> None:
    specs = [
        PresetSpec("ss-base"),
        PresetSpec(name),
        PresetSpec("ss-stream-cipher", {"method": "none"}),
    ]
    pair = PipelinePair(specs, Address("example.com", 1))
    wire = bytearray(pair.client.encode_datagram(b"question", Address("example.com", 1)))
    wire[20] ^= 1
    with pytest.raises(RemoteError, match="does not fit"):
        pair.server.decode_datagram(bytes(wire))
