"""Why an application does not get its connection."""

from __future__ import annotations

from enum import Enum


class Refusal(Enum):
    """Why there is no connection; each protocol has its own words for these."""

    FAILED = "the connection broke"
    NOT_ALLOWED = "not allowed"
    HOST_UNREACHABLE = "host unreachable"
    CONNECTION_REFUSED = "connection refused"
    TIMED_OUT = "timed out"
