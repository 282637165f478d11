from __future__ import annotations

import pytest

from blinktun.config.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", 0), ("30s", 30), ("30", 30), ("0", 0), ("2m", 120), ("1.5h", 5400), (" 500 ms ", 0.5)],
)
def test_a_time_has_a_unit_or_is_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["s", "-1s", "1e3", "half a minute", "30 sec", ".5s", "1s2"])
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        parse_duration(text)
