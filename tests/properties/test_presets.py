"""Chunking never matters, and hostile bytes end in a rejection or in nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blinktun.address import Address
from blinktun.config.model import PresetSpec
from blinktun.crypto.aead import AEAD_METHODS
from blinktun.crypto.stream import STREAM_METHODS
from blinktun.effects import ConnectTo, Effect, Forward, Reject
from blinktun.errors import RemoteError
from blinktun.presets.registry import PipelineMaker
from blinktun.presets.vmess_chunks import SECURITIES
from blinktun.testing.pair import PipelinePair, forwarded, replied, split, targets

if TYPE_CHECKING:
    from blinktun.presets.pipeline import Pipeline

BASE = PresetSpec("ss-base")
HEADS = Path(__file__).parents[2] / "benchmarks/obfs-http.txt"
LISTS = {
    "bare": [BASE],
    **{name: [BASE, PresetSpec("ss-stream-cipher", {"method": name})] for name in STREAM_METHODS},
    **{
        f"{name}-aead": [BASE, PresetSpec("ss-aead-cipher", {"method": name})]
        for name in AEAD_METHODS
    },
    **{
        f"{name}/{method}": [
            BASE,
            PresetSpec(name),
            PresetSpec("ss-stream-cipher", {"method": method}),
        ]
        for name in (
            *("ssr-auth-aes128-md5", "ssr-auth-aes128-sha1"),
            *("ssr-auth-chain-a", "ssr-auth-chain-b"),
        )
        for method in ("none", "aes-128-cfb")
    },
    "both": [BASE, PresetSpec("ss-aead-cipher"), PresetSpec("ss-stream-cipher")],
    **{name: [PresetSpec("base-auth", {"method": name})] for name in ("md5", "sha1", "sha256")},
    "aead-random": [BASE, PresetSpec("aead-random-cipher", {"method": "aes-128-gcm"})],
    "padding": [BASE, PresetSpec("obfs-random-padding"), PresetSpec("ss-stream-cipher")],
    "with-padding": [PresetSpec("base-with-padding", {"salt": "s"})],
    "auth-stream": [PresetSpec("base-auth-stream", {"method": "aes-128-cfb"})],
    **{
        f"vmess-{name}": [PresetSpec("v2ray-vmess", {"id": str(UUID(int=7)), "security": name})]
        for name in SECURITIES
    },
    "http": [BASE, PresetSpec("obfs-http", {"file": str(HEADS)})],
}
any_list = pytest.mark.parametrize("name", LISTS)
with_datagrams = pytest.mark.parametrize(
    "name", [name for name in LISTS if not PipelineMaker(LISTS[name]).without_datagrams]
)
IN_ORDER = {"md5", "sha1", "sha256"}
"""Those whose datagrams must all arrive, and in order."""

addresses = st.builds(
    Address,
    st.one_of(
        st.ip_addresses().map(str),
        st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,10}){0,3}", fullmatch=True),
    ),
    st.integers(0, 65535),
)
cuts = st.lists(st.integers(0, 300), max_size=12)
writes = st.lists(st.binary(max_size=80), max_size=6)


@any_list
@settings(max_examples=25)
@given(target=addresses, ups=writes, downs=writes, up_cuts=cuts, down_cuts=cuts)
def test_any_split_gives_the_same(
    name: str,
    target: Address,
    ups: list[bytes],
    downs: list[bytes],
    up_cuts: list[int],
    down_cuts: list[int],
) -> None:
    pair = PipelinePair(LISTS[name], target)
    if not PipelineMaker(LISTS[name]).sends_lone_header:
        ups = [*ups, b"last"]
    wire = b"".join(forwarded(pair.client.encode(data)) for data in (b"", *ups))
    effects = [effect for piece in split(wire, up_cuts) for effect in pair.server.decode(piece)]
    assert [(t.ip or t.host, t.port) for t in targets(effects)] == [
        (target.ip or target.host, target.port)
    ]
    assert forwarded(effects) == b"".join(ups)
    assert pair.server.decode_eof() == []

    wire = b"".join(forwarded(pair.server.encode(data)) for data in downs)
    plain = b"".join(forwarded(pair.client.decode(piece)) for piece in split(wire, down_cuts))
    assert plain == b"".join(downs)
    assert pair.client.decode_eof() == []


TLS = [BASE, PresetSpec("obfs-tls1.2-ticket", {"sni": "example.com"})]


@settings(max_examples=50)
@given(ups=writes, downs=writes, places=st.lists(cuts, min_size=4, max_size=4))
def test_any_split_of_an_exchange_gives_the_same(
    ups: list[bytes], downs: list[bytes], places: list[list[int]]
) -> None:
    pair = PipelinePair(TLS, Address("example.com", 443))

    def carried(wire: bytes, to: Pipeline, at: int) -> list[Effect]:
        return [effect for piece in split(wire, places[at]) for effect in to.decode(piece)]

    hello = forwarded(pair.client.encode(b"first"))
    assert [pair.client.encode(data) for data in ups if data] == [[] for data in ups if data]
    flight = replied(carried(hello, pair.server, 0))
    # What its target says right away may come with it.
    early = b"".join(forwarded(pair.server.encode(data)) for data in downs)
    effects = carried(flight + early, pair.client, 1)
    assert forwarded(effects) == b"".join(downs)
    effects = carried(replied(effects), pair.server, 2)
    assert targets(effects) == [Address("example.com", 443)]
    assert forwarded(effects) == b"first" + b"".join(ups)
    more = b"".join(forwarded(pair.client.encode(data)) for data in (*ups, b"more"))
    assert forwarded(carried(more, pair.server, 3)) == b"".join(ups) + b"more"
    assert pair.server.decode_eof() == pair.client.decode_eof() == []


@settings(max_examples=50)
@given(
    data=st.binary(min_size=1, max_size=400),
    places=cuts,
    prefix=st.sampled_from([b"", b"\x16\x03\x01\x01\x00", b"\x16\x03\x03\x00\x01"]),
    is_client=st.booleans(),
)
def test_hostile_bytes_in_an_exchange(
    data: bytes, places: list[int], prefix: bytes, is_client: bool
) -> None:
    pair = PipelinePair(TLS, Address("example.com", 443))
    pipeline = pair.client if is_client else pair.server
    effects = [
        effect for piece in split(prefix + data, places) for effect in pipeline.decode(piece)
    ]
    effects += pipeline.decode_eof()
    rejections = [effect for effect in effects if isinstance(effect, Reject)]
    assert len(rejections) <= 1
    assert not rejections or effects[-1] == rejections[0]


@any_list
@settings(max_examples=25)
@given(data=st.binary(min_size=1, max_size=400), places=cuts)
def test_hostile_bytes(name: str, data: bytes, places: list[int]) -> None:
    server = PipelinePair(LISTS[name], Address("a", 1)).server
    effects = [effect for piece in split(data, places) for effect in server.decode(piece)]
    effects += server.decode_eof()
    rejections = [effect for effect in effects if isinstance(effect, Reject)]
    assert len(rejections) <= 1
    assert not rejections or effects[-1] == rejections[0]
    assert all(isinstance(effect, (ConnectTo, Forward, Reject)) for effect in effects)


@settings(max_examples=50)
@given(
    flip=st.integers(0, 399),
    bit=st.integers(0, 7),
    payload=st.binary(min_size=1, max_size=200),
    places=cuts,
    name=st.sampled_from(
        [*(f"{name}-aead" for name in sorted(AEAD_METHODS)), "vmess-aes-128-gcm"],
    ),
)
def test_no_changed_bit_passes_an_aead(
    flip: int, bit: int, payload: bytes, places: list[int], name: str
) -> None:
    pair = PipelinePair(LISTS[name], Address("example.com", 1))
    wire = bytearray(forwarded(pair.client.encode(payload)))
    wire[flip % len(wire)] ^= 1 << bit
    effects = [
        effect for piece in split(bytes(wire), places) for effect in pair.server.decode(piece)
    ]
    effects += pair.server.decode_eof()
    assert isinstance(effects.pop(), Reject)
    # The request of vmess stands before the first sealed bytes.
    assert effects in ([], [ConnectTo(Address("example.com", 1))])


@with_datagrams
@settings(max_examples=15)
@given(target=addresses, payloads=writes)
def test_datagrams_arrive_whatever_became_of_others(
    name: str, target: Address, payloads: list[bytes]
) -> None:
    pair = PipelinePair(LISTS[name], target)
    wires = [pair.client.encode_datagram(payload, target) for payload in payloads]
    order = 1 if name in IN_ORDER else -1
    for wire, payload in list(zip(wires, payloads, strict=True))[::order]:
        found, plain = pair.server.decode_datagram(wire)
        assert plain == payload
        assert found is not None
        assert (found.ip or found.host, found.port) == (target.ip or target.host, target.port)


@with_datagrams
@settings(max_examples=15)
@given(data=st.binary(max_size=400))
def test_hostile_datagrams(name: str, data: bytes) -> None:
    server = PipelinePair(LISTS[name], Address("a", 1)).server
    with contextlib.suppress(RemoteError):
        _, plain = server.decode_datagram(data)
        assert len(plain) <= len(data)
