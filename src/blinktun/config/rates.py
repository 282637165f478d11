"""Rates as people write them: ``20mbit``, ``2.5 MB/s``."""

from __future__ import annotations

import re

RATE_FIX = "write a rate with its unit, for example 20mbit or 2.5 MB/s"
LEAST, MOST = 8_000, 12_500_000_000
"""Bytes a second: 64 kbit and 100 Gbit."""


def parse_rate(text: str) -> int:
    """The bytes a second that a rate means; 0 if the text is empty.

    ``k``, ``m`` and ``g`` are powers of 1000. A ``b`` alone is not taken for either, so ``bit`` and
    ``bps`` are bits, and ``B/s`` with a capital letter is bytes.

    Raises:
        ValueError: it is no rate; the message says why.
    """
    if not text:
        return 0
    found = _RATE.fullmatch(text.strip())
    if not found:
        raise ValueError("is a number without a unit" if _NUMBER.fullmatch(text) else "is no rate")
    units = _POWERS[found["prefix"].lower()] / (1 if found["bytes"] else 8)
    rate = float(found["number"]) * units
    if not LEAST <= rate <= MOST:
        raise ValueError("is outside 64kbit..100gbit")
    return int(rate)


def rate_text(rate: int) -> str:
    """A rate in bytes a second as people read it, in bits: ``20 Mbit/s``."""
    bits = 8 * rate
    for power, unit in ((10**9, "Gbit/s"), (10**6, "Mbit/s"), (10**3, "kbit/s")):
        if bits >= 0.9995 * power:
            return f"{bits / power:.3g} {unit}"
    return f"{bits} bit/s"


_NUMBER = re.compile(r"\s*[0-9.]+\s*", re.ASCII)
_RATE = re.compile(
    r"(?P<number>[0-9]{1,12}(?:\.[0-9]{1,9})?) ?(?P<prefix>[kKmMgG]?)"
    r"(?:(?P<bytes>B/s)|[bB]it(?:/s)?|bps)",
    re.ASCII,
)
_POWERS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
