from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blinktun.presets.ssr_lengths import LengthsA, LengthsB

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors/blinksocks/primitives.json").read_text("utf-8")
)


@pytest.mark.parametrize("vector", VECTORS["ssr_chain_a_random_len"])
def test_known_lengths_of_a(vector: dict[str, Any]) -> None:
    lengths = LengthsA(b"", 4)
    assert lengths.draw(bytes.fromhex(vector["hash"]), vector["datalen"])[0] == vector["len"]


@pytest.mark.parametrize("vector", VECTORS["ssr_chain_b"])
def test_known_lengths_of_b(vector: dict[str, Any]) -> None:
    lengths = LengthsB(bytes.fromhex(vector["user_key"]), vector["overhead"])
    for drawn in vector["random_len"]:
        assert lengths.draw(bytes.fromhex(drawn["hash"]), drawn["datalen"])[0] == drawn["len"]


@pytest.mark.parametrize("kind", [LengthsA, LengthsB])
@pytest.mark.parametrize("overhead", [0, 4, 1500, 0xFFFF])
def test_whatever_a_client_says(kind: type[LengthsA | LengthsB], overhead: int) -> None:
    lengths = kind(bytes(16), overhead)
    for seed in range(40):
        for size in (0, 1, 400, 900, 1300, 1439, 1440, 1441, 0xFFFF):
            filling, before = lengths.draw(bytes((seed,)) * 16, size)
            assert 0 <= before <= max(filling - 1, 0)
            assert filling <= 1440


def test_nothing_is_added_to_much_data() -> None:
    hashes = [bytes((seed,)) * 16 for seed in range(1, 60)]
    a, b = LengthsA(bytes(16), 4), LengthsB(bytes(range(16)), 4)
    assert {a.draw(last, 1441) for last in hashes} == {(0, 0)}
    assert {b.draw(last, 1440) for last in hashes} == {(0, 0)}
    assert {a.draw(last, 1440) for last in hashes} != {(0, 0)}
