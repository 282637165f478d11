from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blinktun.crypto.xorshift import Xorshift128Plus

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors/blinksocks/primitives.json").read_text("utf-8")
)["xorshift128plus"]


@pytest.mark.parametrize("vector", VECTORS)
def test_known_numbers(vector: dict[str, Any]) -> None:
    seed = bytes.fromhex(vector["seed"])
    if vector["init"] == "bin_datalen":
        generator = Xorshift128Plus.for_length(seed, vector["datalen"])
    else:
        generator = Xorshift128Plus(seed)
    expected = [int(number) for number in vector["next"]]
    assert [generator.next() for _ in expected] == expected


def test_both_ways_to_seed_are_known() -> None:
    assert {vector["init"] for vector in VECTORS} == {"bin", "bin_datalen"}


def test_a_long_seed_counts_with_its_first_half() -> None:
    assert Xorshift128Plus(bytes(range(32))).next() == Xorshift128Plus(bytes(range(16))).next()
