"""Shares as people write them: ``0.2``, ``20%``."""

from __future__ import annotations

import re

SHARE_FIX = "write a share of the payload from 0 to 1, for example 0.2 or 20%"


def parse_share(text: str) -> float:
    """The share that a text means, 0 to 1.

    Raises:
        ValueError: it is no such share; the message says why.
    """
    found = _SHARE.fullmatch(text.strip())
    if not found:
        raise ValueError("is no share")
    share = float(found["number"]) / (100 if found["percent"] else 1)
    if share > 1:
        raise ValueError("is more than the payload itself")
    return share


_SHARE = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?) ?(?P<percent>%)?", re.ASCII)
