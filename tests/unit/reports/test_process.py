from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from blinktun.reports import process as module
from blinktun.reports.process import process_facts

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_facts() -> None:
    facts = process_facts(time.monotonic() - 100)
    assert facts["pid"] == os.getpid()
    assert isinstance(facts["uptime_seconds"], float)
    assert 100 <= facts["uptime_seconds"] < 110
    assert isinstance(facts["rss_bytes"], int)
    assert 1_000_000 < facts["rss_bytes"] < 10_000_000_000
    assert isinstance(facts["descriptors"], int)
    assert facts["descriptors"] >= 3
    assert facts["tasks"] == 1


async def test_a_system_without_proc_says_less(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "_PROC", tmp_path / "none")
    facts = process_facts(0)
    assert "pid" in facts
    assert "rss_bytes" not in facts
