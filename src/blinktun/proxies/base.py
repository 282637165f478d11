"""What a handshake is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.address import Address
    from blinktun.config.model import Credentials
    from blinktun.effects import Chunk, Effect
    from blinktun.proxies.http_exchange import Exchange
    from blinktun.proxies.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Associate:
    """Relay datagrams for this application, and no connection."""


Demand: TypeAlias = "Effect | Associate | Exchange"
"""What a handshake asks for."""


class Handshake(ABC):
    """One application's way to say where it wants to go.

    Call ``start``, then ``receive`` with whatever the application sends, until one of them yields
    ``ConnectTo``, ``Associate``, ``Exchange`` or ``Reject``. After ``Associate`` send
    ``granted_datagrams``, or ``refused``. After ``ConnectTo`` call ``granted`` or ``refused`` and
    send the answer; ``take_early`` holds what belongs to the target already. After an ``Exchange``
    that lasts, begin again.
    """

    @property
    def complaint(self) -> str:
        """What the application was last told that it did wrong, and might do better; or nothing."""
        return ""

    def start(self) -> Sequence[Demand]:
        """Begin: before the application has said anything, or with what it has said already."""
        return []

    @abstractmethod
    def receive(self, data: Chunk) -> Sequence[Demand]:
        """Take bytes from the application, cut anywhere."""

    @abstractmethod
    def granted(self) -> bytes:
        """Return the answer for a tunnel that is up; may be empty."""

    def granted_datagrams(self, address: Address) -> bytes:
        """Return the answer when datagrams may be sent to ``address``."""
        raise NotImplementedError(f"{type(self).__name__} knows no datagrams ({address})")

    @abstractmethod
    def refused(self, reason: Refusal) -> bytes:
        """Return the answer for a tunnel that there will not be; may be empty."""

    @abstractmethod
    def take_early(self) -> Chunk:
        """Return, once, what has come for the target so far."""


def credentials_match(expected: Credentials, username: bytes, password: bytes) -> bool:
    """Compare, in constant time, what an application presents."""
    return expected.accepts(
        username.decode("utf-8", "surrogateescape"), password.decode("utf-8", "surrogateescape")
    )
