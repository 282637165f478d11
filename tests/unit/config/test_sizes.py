from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinktun.config.sizes import LEAST, MOST, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", None),
        *(("256mb", 256_000_000), ("256 MB", 256_000_000), ("256MiB", 256 << 20)),
        *(("1.5gib", 3 << 29), ("4000kb", LEAST), ("1tib", MOST), (" 64 mib ", 64 << 20)),
    ],
)
def test_an_amount_is_bytes(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        *((text, "without a unit") for text in ("256", "268435456", "2.5")),
        *(
            (text, "is no amount")
            for text in ("much", "256m", "256mbit", "-1mb", "1e3mb", "0x10mb")
        ),
        *((text, "outside") for text in ("3999kb", "2tib", "0mb", "999999999999gb")),
    ],
)
def test_what_can_be_misread_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_size(text)


@given(st.text(alphabet="0123456789.kmgtKMGTiIbB ", max_size=12))
def test_any_text_is_an_amount_within_bounds_or_refused(text: str) -> None:
    try:
        size = parse_size(text)
    except ValueError:
        return
    assert size is None or LEAST <= size <= MOST
