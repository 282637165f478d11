from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinktun.address import Address
from blinktun.config.model import PresetSpec
from blinktun.errors import LocalError, RemoteError
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.mux_frames import (
    MAX_DATA,
    Close,
    Data,
    Frame,
    FrameReader,
    New,
    pack_close,
    pack_data,
    pack_new,
)
from blinktun.presets.registry import PipelineMaker
from blinktun.testing.pair import forwarded, split
from blinktun.testing.randomness import Counting

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/blinksocks/mux.json").read_text("utf-8"))
CID = bytes.fromhex("aabbccdd")


def _frame(vector: dict[str, object]) -> Frame:
    cid = bytes.fromhex(str(vector["cid"]))
    match vector["type"]:
        case "new":
            return New(cid, Address(str(vector["host"]), int(str(vector["port"]))))
        case "data":
            return Data(cid, bytes.fromhex(str(vector["data"])))
    return Close(cid)


def _packed(frame: Frame) -> bytes:
    match frame:
        case New(cid, target):
            return pack_new(cid, target)
        case Data(cid, payload):
            return pack_data(cid, payload)
        case Close(cid):
            return pack_close(cid)


@pytest.mark.parametrize("vector", VECTORS["frames"])
def test_recorded_frames(vector: dict[str, object]) -> None:
    frame, wire = _frame(vector), bytes.fromhex(str(vector["wire"]))
    assert _packed(frame) == wire
    assert FrameReader().feed(wire) == [frame]


def test_the_recorded_connection() -> None:
    recorded = VECTORS["encrypted"]
    make = PipelineMaker([PresetSpec(p["name"], p.get("params", {})) for p in recorded["presets"]])
    server = make.for_mux(PresetContext(Role.SERVER, recorded["key"], Counting()))
    plain = forwarded(server.decode(bytes.fromhex(recorded["wire"])))
    assert plain.hex() == recorded["first_write_plain_frames"]
    target = Address("example.com", 443)
    assert FrameReader().feed(plain) == [New(CID, target), Data(CID, b"hello")]


frames = st.lists(
    st.one_of(
        st.builds(New, st.binary(min_size=4, max_size=4), st.just(Address("example.com", 1))),
        st.builds(Data, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=300)),
        st.builds(Close, st.binary(min_size=4, max_size=4)),
    ),
    max_size=8,
)


@given(sent=frames, cuts=st.lists(st.integers(0, 1000), max_size=12))
def test_any_split_gives_the_same(sent: list[Frame], cuts: list[int]) -> None:
    reader = FrameReader()
    wire = b"".join(map(_packed, sent))
    assert [frame for piece in split(wire, cuts) for frame in reader.feed(piece)] == sent
    assert not reader.inside_frame


@given(data=st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    try:
        FrameReader().feed(data)
    except RemoteError:
        return


def test_large_data_is_cut_and_none_makes_no_frame() -> None:
    assert pack_data(CID, b"") == b""
    pieces = FrameReader().feed(pack_data(CID, bytes(2 * MAX_DATA + 1)))
    assert [len(piece.payload) for piece in pieces if isinstance(piece, Data)] == [
        MAX_DATA,
        MAX_DATA,
        1,
    ]


def test_what_cannot_be_a_frame() -> None:
    with pytest.raises(RemoteError, match="type 3"):
        FrameReader().feed(b"\x03")
    with pytest.raises(RemoteError, match="host"):
        FrameReader().feed(b"\x00" + CID + b"\x01 \x00\x50")
    with pytest.raises(LocalError):
        pack_new(CID, Address("x" * 300, 80))
    reader = FrameReader()
    assert reader.feed(pack_new(CID, Address("::1", 80))[:-1]) == []
    assert reader.inside_frame
