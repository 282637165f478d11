from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from blinktun.reports.go_time import format_go_time

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "misc.json").read_text())["time"]
MOMENT = dt.datetime(2024, 7, 5, 9, 3, 8, 45_600, dt.UTC)


@pytest.mark.parametrize(
    ("layout", "formatted"), [(v["layout"], v["formatted"]) for v in VECTORS["vectors"]]
)
def test_as_go_formats(layout: str, formatted: str) -> None:
    assert VECTORS["moment"] == "2024-07-05 09:03:08.0456 UTC"
    assert format_go_time(layout, MOMENT) == formatted


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("_2 __2 2", " 5 187 5"),
        ("_2006", "_2024"),
        ("__2006", "187024"),
        ("4:5", "3:8"),
        ("Monthly Mon. Jane Jan.", "Monthly Fri. Jane Jul."),
        ("mon jan MON", "mon jan MON"),
        ("kcpmon.log", "kcamon.log"),
        (".0 .00 .000000000 .0000000000", ".0 .04 .045600000 .045600000"),
        (".9 .99 .999999999", " .04 .0456"),
        (",00", ",04"),
        (".01 .95 .009", ".07 .98 .009"),
        ("report.0", "report.0"),
        ("789", "789"),
        ("", ""),
    ],
)
def test_corners(pattern: str, written: str) -> None:
    assert format_go_time(pattern, MOMENT) == written


@pytest.mark.parametrize(
    ("hour", "written"), [(0, "12AM 12am 12"), (12, "12PM 12pm 12"), (23, "11PM 11pm 11")]
)
def test_the_clock_of_twelve_hours(hour: int, written: str) -> None:
    assert format_go_time("3PM 3pm 03", MOMENT.replace(hour=hour)) == written


def test_spaces_stand_where_days_are_short() -> None:
    assert format_go_time("_2|__2|002", dt.datetime(2024, 1, 9, tzinfo=dt.UTC)) == " 9|  9|009"


@pytest.mark.parametrize(
    ("minutes", "name", "written"),
    [
        (0, "UTC", "UTC Z +0000 Z +00:00 Z +00 +000000 +00:00:00"),
        (330, "IST", "IST +0530 +0530 +05:30 +05:30 +05 +05 +053000 +05:30:00"),
        (-210, "NST", "NST -0330 -0330 -03:30 -03:30 -03 -03 -033000 -03:30:00"),
    ],
)
def test_zones(minutes: int, name: str, written: str) -> None:
    moment = MOMENT.replace(tzinfo=dt.timezone(dt.timedelta(minutes=minutes), name))
    pattern = "MST Z0700 -0700 Z07:00 -07:00 Z07 -07 -070000 -07:00:00"
    assert format_go_time(pattern, moment) == written


def test_a_moment_without_zone_is_utc() -> None:
    assert format_go_time("MST Z07", MOMENT.replace(tzinfo=None)) == "UTC Z"
