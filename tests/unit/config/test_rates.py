from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinktun.config.rates import LEAST, MOST, parse_rate, rate_text


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("", 0),
        *(("20mbit", 2_500_000), ("20Mbit", 2_500_000), ("20 Mbit/s", 2_500_000)),
        *(("20Mbps", 2_500_000), ("0.5gbit", 62_500_000), ("64kbit", 8_000)),
        *(("64000bit", 8_000), ("2.5 MB/s", 2_500_000), ("2.5mB/s", 2_500_000)),
        *(("8000 B/s", 8_000), ("100gbit", MOST), (" 1mbit ", 125_000)),
    ],
)
def test_a_rate_is_bytes_a_second(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        *((0, "0 bit/s"), (100, "800 bit/s"), (8_000, "64 kbit/s"), (124_950, "1 Mbit/s")),
        *((124_900, "999 kbit/s"), (6_875_000, "55 Mbit/s"), (6_806_250, "54.5 Mbit/s")),
        *((125_000_000, "1 Gbit/s"), (MOST, "100 Gbit/s")),
    ],
)
def test_a_rate_is_read_in_bits(rate: int, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        *((text, "without a unit") for text in ("20", "2500000", "2.5")),
        *(
            (text, "is no rate")
            for text in ("fast", "20mb", "20mb/s", "20 mBs", "-1mbit", "1e3mbit")
        ),
        *((text, "outside") for text in ("63kbit", "101gbit", "0mbit", "999999999999gbit")),
    ],
)
def test_what_can_be_misread_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_rate(text)


@given(st.text(alphabet="0123456789.kmgMKGbBit/sp ", max_size=12))
def test_any_text_is_a_rate_within_bounds_or_refused(text: str) -> None:
    try:
        rate = parse_rate(text)
    except ValueError:
        return
    assert rate == 0 or LEAST <= rate <= MOST
