"""Benchmarks over links take a sample. What they measure is not judged here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from benchmarks.links.cases import FIGURES
from benchmarks.links.measure import beside_kernel, over_link

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.model import Side

QUICK = "rate=20mbit delay=5ms queue=50ms"


@pytest.mark.parametrize("side", ["ours", "go", "cubic"])
async def test_a_contender_is_measured_over_a_link(side: Side, tmp_path: Path) -> None:
    readings = await over_link(QUICK, 1.0, side, tmp_path)
    assert list(readings) == [figure.name for figure in FIGURES]
    assert 0 < readings["goodput"] < 20
    assert 1 < readings["wire / payload"] < 10
    assert 10 <= readings["idle p50"] <= readings["idle p99"]
    assert 10 <= readings["request p50"] <= readings["request p99"]


async def test_two_downloads_share_a_link(tmp_path: Path) -> None:
    readings = await beside_kernel(QUICK, "cubic", 1.5, "cubic", tmp_path)
    assert 1 < readings["goodput"] + readings["kernel's"] < 20
