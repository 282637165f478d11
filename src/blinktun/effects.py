"""What presets and proxy handshakes ask for.

Effects are data: whoever parses bytes yields them, and only the relay performs them. So every
parser can be tested by comparing values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from blinktun.address import Address  # noqa: TC001 - part of the public types

Chunk: TypeAlias = bytes | bytearray | memoryview
"""Bytes on their way; whoever receives one may keep it, nobody writes to it any more."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Pass these bytes on in the direction they were going."""

    data: Chunk


@dataclass(frozen=True, slots=True)
class Reply:
    """Send these bytes back to where the input came from."""

    data: Chunk


@dataclass(frozen=True, slots=True)
class ConnectTo:
    """Connect to this target; bytes forwarded later go there."""

    target: Address


@dataclass(frozen=True, slots=True)
class Reject:
    """The peer broke the rules: stop here.

    Attributes:
        reason: Why, for the log; never holds a secret.
    """

    reason: str


Effect: TypeAlias = Forward | Reply | ConnectTo | Reject
"""The closed set: handle it with ``match`` and ``assert_never``."""
