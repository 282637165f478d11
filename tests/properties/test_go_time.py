"""Any text is a time pattern, and what is no element of one stands for itself."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from blinktun.reports.go_time import format_go_time

ZONES = st.integers(-86399, 86399).map(lambda s: dt.timezone(dt.timedelta(seconds=s)))
MOMENTS = st.datetimes(timezones=st.one_of(st.none(), ZONES))
YEAR_TO_DAY = ("2006", "06", "01", "1", "Jan", "January", "02", "2", "_2", "__2", "002")
TIMES = ("15", "03", "3", "PM", "pm", "04", "4", "05", "5", ".000", ".999", ",0")
OTHERS = ("Mon", "Monday", "MST", "Z07:00", "-0700", "-070000")
ELEMENTS = st.sampled_from((*YEAR_TO_DAY, *TIMES, *OTHERS))
MIXED = st.lists(st.one_of(ELEMENTS, st.text(max_size=2))).map("".join)
LITERAL = st.text(st.characters(blacklist_characters="0123456JMPpZ_-.,"))


@given(st.one_of(st.text(), MIXED), MOMENTS)
def test_any_text_is_a_pattern(pattern: str, moment: dt.datetime) -> None:
    written = format_go_time(pattern, moment)
    assert len(written) <= 10 * len(pattern)


@given(LITERAL, MOMENTS)
def test_text_without_elements_is_kept(text: str, moment: dt.datetime) -> None:
    assert format_go_time(text, moment) == text


@given(LITERAL, st.sampled_from(["2006", "January", "15", "MST"]), LITERAL, MOMENTS)
def test_what_stands_around_an_element_is_kept(
    before: str, element: str, after: str, moment: dt.datetime
) -> None:
    written = format_go_time(f"{before}{element}{after}", moment)
    assert written == before + format_go_time(element, moment) + after
