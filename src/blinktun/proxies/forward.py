"""No handshake: a fixed target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.effects import ConnectTo, Effect
from blinktun.proxies.base import Handshake

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.effects import Chunk
    from blinktun.proxies.refusal import Refusal


class FixedForward(Handshake):
    """Every connection leads to the same target, and nothing is said about it."""

    def __init__(self, target: Address) -> None:
        self._target = target

    def start(self) -> list[Effect]:
        """Ask for the connection at once."""
        return [ConnectTo(self._target)]

    def receive(self, data: Chunk) -> list[Effect]:
        """Never called: ``start`` has said it all."""
        raise AssertionError(f"{len(data)} bytes for a handshake that there is not")

    def granted(self) -> bytes:
        """Say nothing."""
        return b""

    def refused(self, reason: Refusal) -> bytes:
        """Say nothing."""
        del reason
        return b""

    def take_early(self) -> bytes:
        """Return nothing."""
        return b""
