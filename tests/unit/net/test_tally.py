from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tests.unit.waiting import until

from blinktun.net.tally import Tally

if TYPE_CHECKING:
    import pytest

LOG = logging.getLogger("blinktun.test")


def _tally(interval: float) -> Tally:
    return Tally(LOG, "wrong key from %s (%s)", "failed", level=30, interval=interval)


async def test_the_first_is_seen_at_once_and_others_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tally = _tally(0.05)
    for port in range(1000):
        tally.note(f"192.0.2.1:{port}", "bad tag")
    assert [record.getMessage() for record in caplog.records] == [
        "wrong key from 192.0.2.1 (bad tag)"
    ]
    assert caplog.records[0].levelno == logging.WARNING
    await until(lambda: len(caplog.records) == 2)
    assert caplog.records[1].getMessage() == (
        "999 more connections from 192.0.2.1 failed in the last 0.05 s"
    )
    tally.note("192.0.2.1:1", "bad tag")
    assert len(caplog.records) == 3
    tally.close()


async def test_many_sources_cost_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    tally = _tally(60)
    for number in range(10_000):
        tally.note(f"10.{number >> 8}.{number & 255}.1:7", "noise")
    assert len(caplog.records) == 5
    assert len(tally._counts) <= 4097
    tally.close()
    assert len(caplog.records) == 6
    assert "9995 more connections from" in caplog.records[5].getMessage()
    assert "others failed in the last 60 s" in caplog.records[5].getMessage()
    tally.close()
    assert len(caplog.records) == 6
