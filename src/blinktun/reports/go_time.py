"""Go's time patterns, in which a date is written as Go's reference moment would be.

``snmp-20060102.log`` is a name with year, month and day in it, for 2006-01-02 15:04:05 is the
moment that every pattern shows. There is no quoting: whatever looks like an element is one. All
else stands for itself.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping


def format_go_time(pattern: str, moment: dt.datetime) -> str:
    """``pattern`` with its elements replaced by ``moment``, as Go's ``Time.Format`` does.

    Args:
        pattern: Any text; text without elements comes back as it is.
        moment: With its zone. Without one it counts as UTC.

    Source: kcptun wire, 9.2; the documentation of Go's package time.
    """
    return _ELEMENT.sub(lambda found: _written(found[0], moment), pattern)


_ELEMENT = re.compile(
    r"""
      January | Jan(?![a-z]) | Monday | Mon(?![a-z]) | MST
    | 002 | 0[1-6] | 15 | 1 | 2006 | __2 | _2(?!006) | [2345]
    | PM | pm
    | [-Z]07 (?: :00(?: :00)? | 00(?:00)? )?
    | [.,](?: 0+ | 9+ )(?![0-9])
    """,
    re.VERBOSE,
)
"""Every element, the longer before the shorter that begins alike.

A month or weekday in short counts only where no small letter follows (``Monthly`` is a word);
a fraction only where its digits end.
"""

_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
           "October", "November", "December")  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _written(element: str, moment: dt.datetime) -> str:
    if writer := _WRITERS.get(element):
        return writer(moment)
    if element[0] in "-Z":
        return _offset(element, moment)
    return _fraction(element, moment)


def _hour12(moment: dt.datetime) -> int:
    return moment.hour % 12 or 12


def _day_of_year(moment: dt.datetime) -> int:
    return moment.timetuple().tm_yday


def _zone(moment: dt.datetime) -> str:
    return moment.tzname() or "UTC"


_WRITERS: Mapping[str, Callable[[dt.datetime], str]] = MappingProxyType(
    {
        "2006": lambda m: f"{m.year:04}",
        "06": lambda m: f"{m.year % 100:02}",
        "January": lambda m: _MONTHS[m.month - 1],
        "Jan": lambda m: _MONTHS[m.month - 1][:3],
        "01": lambda m: f"{m.month:02}",
        "1": lambda m: str(m.month),
        "Monday": lambda m: _WEEKDAYS[m.weekday()],
        "Mon": lambda m: _WEEKDAYS[m.weekday()][:3],
        "02": lambda m: f"{m.day:02}",
        "_2": lambda m: f"{m.day:2}",
        "2": lambda m: str(m.day),
        "002": lambda m: f"{_day_of_year(m):03}",
        "__2": lambda m: f"{_day_of_year(m):3}",
        "15": lambda m: f"{m.hour:02}",
        "03": lambda m: f"{_hour12(m):02}",
        "3": lambda m: str(_hour12(m)),
        "04": lambda m: f"{m.minute:02}",
        "4": lambda m: str(m.minute),
        "05": lambda m: f"{m.second:02}",
        "5": lambda m: str(m.second),
        "PM": lambda m: "PM" if m.hour >= 12 else "AM",
        "pm": lambda m: "pm" if m.hour >= 12 else "am",
        "MST": _zone,
    }
)


def _offset(element: str, moment: dt.datetime) -> str:
    """``-0700`` and its kind; with Z in front, UTC is that letter alone."""
    offset = moment.utcoffset()
    seconds = int(offset.total_seconds()) if offset else 0
    if element[0] == "Z" and seconds == 0:
        return "Z"
    minutes, second = divmod(abs(seconds), 60)
    fields = [f"{minutes // 60:02}", f"{minutes % 60:02}", f"{second:02}"]
    shown = sum(character.isdigit() for character in element) // 2
    colon = ":" if ":" in element else ""
    return ("-" if seconds < 0 else "+") + colon.join(fields[:shown])


def _fraction(element: str, moment: dt.datetime) -> str:
    """``.000`` has as many digits as noughts, at most nine; ``.999`` loses its last noughts."""
    digits = f"{moment.microsecond:06}000"[: len(element) - 1]
    if element[1] == "0":
        return element[0] + digits
    digits = digits.rstrip("0")
    return element[0] + digits if digits else ""
