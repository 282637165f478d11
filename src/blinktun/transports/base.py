"""What a transport offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blinktun.address import Address
    from blinktun.effects import Chunk


class Stream(ABC):
    """One connection: bytes in order, two directions that end independently.

    One task may receive while another sends; neither call may be made twice at once. Cancelling
    ``receive`` loses nothing. Ends are truthful: ``b""`` only after the peer has ended its
    direction on purpose, ``TransportError`` for everything else.

    Attributes:
        owes_answer: Whether the peer waits for the answer to a request, which may take its time.
    """

    owes_answer = False

    @property
    @abstractmethod
    def peer(self) -> str:
        """The other end, as text for messages."""

    @property
    def local(self) -> Address | None:
        """Our end, if it has an address."""
        return None

    @property
    def idle(self) -> float:
        """Seconds since a byte came or went, 0 while bytes wait to be taken by the peer's system.

        A program that stops ends at once what has been idle for a second.
        """
        return 0.0

    def for_service(self, early: bytes) -> tuple[bytes, Stream]:
        """This connection as another service is to see it, in words that such services speak.

        Args:
            early: What has been received so far.

        Returns:
            What the service is to be sent first, and the stream that it talks to from then on.
        """
        return early, self

    def watch(self, on_broken: Callable[[], None] | None) -> None:  # noqa: B027 - not all can tell
        """Have ``on_broken`` called when the connection breaks, also if no task receives.

        Work for a connection, such as a dial, ends with it that way. None: no more.
        """

    @abstractmethod
    async def receive(self) -> Chunk:
        """Wait for bytes; ``b""`` is the end of the peer's direction.

        Raises:
            TransportError: the connection ended other than cleanly.
        """

    @abstractmethod
    async def send(self, data: Chunk) -> None:
        """Hand bytes over, and wait while too many of them are on their way.

        Raises:
            TransportError: the connection is gone.
        """

    @abstractmethod
    async def send_eof(self) -> None:
        """End our direction behind what has been sent; receiving goes on.

        Raises:
            TransportError: the connection is gone.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Send what is still on its way, for a bounded time, and end both directions."""

    @abstractmethod
    def abort(self) -> None:
        """End both directions at once, so that the peer sees an error and not a clean end."""


class Dialer(ABC):
    """Makes streams."""

    @abstractmethod
    async def connect(self, address: Address) -> Stream:
        """Connect.

        Raises:
            TransportError: there is no connection to be had; ``__cause__`` is the reason.
        """

    async def connect_interactive(self, address: Address) -> Stream:
        """Connect for bytes that go before others on the same way, where there is such a way.

        Raises:
            TransportError: as of `connect`.
        """
        return await self.connect(address)

    async def aclose(self) -> None:  # noqa: B027 - most have nothing to close
        """Let go of what the streams shared, when all of them are gone."""


class Listener(ABC):
    """Takes streams in, until closed."""

    @property
    @abstractmethod
    def addresses(self) -> Sequence[Address]:
        """Where it listens, with the ports that were really bound."""

    @abstractmethod
    async def aclose(self) -> None:
        """Stop taking streams in; those taken live on."""

    async def release(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of what the streams taken shared, when all of them are gone."""


OnStream: TypeAlias = "Callable[[Stream], None]"
"""Gets new streams of a listener, and owns them from then on."""
