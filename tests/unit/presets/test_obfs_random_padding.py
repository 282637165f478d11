from __future__ import annotations

import pytest

from blinktun.effects import Forward, Reject
from blinktun.errors import RemoteError
from blinktun.presets.base import Preset, PresetContext, Role
from blinktun.presets.obfs_random_padding import ObfsRandomPadding
from blinktun.testing.pair import forwarded
from blinktun.testing.randomness import Counting, Recorded


def _make(*drawn: bytes) -> Preset:
    random = Recorded(drawn) if drawn else Counting()
    return ObfsRandomPadding.configure({})(PresetContext(Role.CLIENT, "key", random))


def test_short_chunks_are_padded() -> None:
    assert forwarded(_make(b"\3", b"abc").encode(b"data")) == b"\3abc\0\4data"
    assert forwarded(_make(b"\0").encode(b"data")) == b"\0\0\4data"
    assert _make().encode(b"") == ()


@pytest.mark.parametrize(
    ("size", "most"), [(1, 255), (900, 255), (901, 126), (1300, 126), (1301, 30), (1440, 30)]
)
def test_longer_chunks_have_less(size: int, most: int) -> None:
    # The byte is taken modulo the number of choices.
    drawn = (bytes((most,)), bytes(most))
    wire = forwarded(_make(*drawn).encode(bytes(size)))
    assert len(wire) == 1 + most + 2 + size


def test_long_chunks_have_none() -> None:
    data = bytes(range(256)) * 1000
    preset = _make()
    wire = forwarded(preset.encode(data))
    assert wire[:3] == b"\0\xff\xff"
    chunks = -(-len(data) // 0xFFFF)
    assert len(wire) == len(data) + 3 * chunks
    assert forwarded(preset.decode(wire)) == data


def test_data_passes_before_its_chunk_is_complete() -> None:
    preset = _make()
    assert preset.decode(b"\2p") == ()
    assert preset.decode(b"p\0") == ()
    assert preset.decode(b"\4da") == (Forward(memoryview(b"da")),)
    assert preset.decode_eof() == (Reject("ended inside a padded chunk"),)
    assert forwarded(preset.decode(b"ta\0\0\2ok")) == b"taok"
    assert preset.decode_eof() == ()


def test_empty_chunks_are_nothing() -> None:
    preset = _make()
    assert preset.decode(b"\0\0\0\1p\0\0") == ()
    assert preset.decode_eof() == ()


def test_datagrams() -> None:
    assert _make(b"\x83", b"ppp").encode_datagram(b"data") == b"\3ppp" + b"data"
    preset = _make()
    assert preset.decode_datagram(b"\3pppdata") == b"data"
    assert preset.decode_datagram(b"\0") == b""
    for short in (b"", b"\3pp"):
        with pytest.raises(RemoteError):
            preset.decode_datagram(short)
