from __future__ import annotations

import pytest

from blinktun.transports.h2_budget import FloodError, FrameBudget


def test_frames_come_back_with_time_and_with_our_data() -> None:
    budget = FrameBudget()
    budget.spend(1000, 0.0)
    with pytest.raises(FloodError):
        budget.spend(1, 0.0)
    budget = FrameBudget()
    budget.spend(1000, 0.0)
    budget.spend(100, 1.0)
    budget.earn(50)
    budget.spend(100, 1.0)
    with pytest.raises(FloodError):
        budget.spend(1, 1.0)


def test_nothing_is_saved_beyond_the_burst() -> None:
    budget = FrameBudget()
    budget.earn(10**6)
    budget.spend(0, 0.0)
    with pytest.raises(FloodError):
        budget.spend(1001, 10.0**6)


def test_streams_that_ended_well_make_up_for_others() -> None:
    budget = FrameBudget()
    for _ in range(1000):
        budget.on_stream_end(served=False)
        budget.on_stream_end(served=True)
    for _ in range(100):
        budget.on_stream_end(served=False)
    with pytest.raises(FloodError):
        budget.on_stream_end(served=False)
