from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinktun.config.shares import parse_share


@pytest.mark.parametrize(
    ("text", "share"),
    [
        *(("0", 0.0), ("0%", 0.0), ("1", 1.0), ("100%", 1.0)),
        *(("0.2", 0.2), ("20%", 0.2), (" 2.5 % ", 0.025), ("0.05", 0.05)),
    ],
)
def test_a_share_is_a_part_of_one(text: str, share: float) -> None:
    assert parse_share(text) == share


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        *(
            (text, "is no share")
            for text in ("", "a fifth", "-0.1", "1e-1", ".2", "20 percent", "%")
        ),
        *((text, "more than the payload") for text in ("20", "1.01", "101%")),
    ],
)
def test_what_is_no_share_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_share(text)


@given(st.text(alphabet="0123456789.% -e", max_size=12))
def test_any_text_is_a_share_within_bounds_or_refused(text: str) -> None:
    try:
        share = parse_share(text)
    except ValueError:
        return
    assert 0 <= share <= 1
