"""Times as people write them: ``30s``, ``2m``, ``500ms``."""

from __future__ import annotations

import re

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """The seconds that a text means; empty: 0.

    Raises:
        ValueError: it is no time; the message says so.
    """
    if not text:
        return 0.0
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise ValueError("is no time")
    return float(found["number"]) * _UNITS[found["unit"]]


_DURATION = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?) ?(?P<unit>ms|s|m|h|)", re.ASCII)
