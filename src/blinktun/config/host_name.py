"""What can be a host name."""

from __future__ import annotations

import re


def is_host_name(text: str) -> bool:
    """Whether this can be a host name: labels of letters, digits and inner hyphens (2.1)."""
    return len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.split("."))


_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE | re.ASCII)
