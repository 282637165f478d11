"""The original blinksocks' own end-to-end suite, with our programs, its own, and both together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.interop.scenarios.cell import try_scenario
from tests.interop.scenarios.table import SCENARIOS

if TYPE_CHECKING:
    from pathlib import Path


def test_the_suite_is_complete() -> None:
    assert list(SCENARIOS) == list(range(1, 46))


@pytest.mark.parametrize("number", SCENARIOS, ids=lambda n: f"{n}-{SCENARIOS[n].name}")
async def test_scenario(number: int, tmp_path: Path) -> None:
    failed = [outcome for outcome in await try_scenario(number, tmp_path) if outcome.error]
    assert not failed, "\n".join(f"{' > '.join(o.pair)}: {o.error}" for o in failed)
