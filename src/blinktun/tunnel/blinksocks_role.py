"""What a blinksocks client and server have in common: how they start, listen and stop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from blinktun.errors import TransportError
from blinktun.relay.relay import Traffic
from blinktun.tunnel.connections import Connections

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from blinktun.address import Address
    from blinktun.transports.base import Listener, Stream


class DatagramRelay(Protocol):
    """Takes datagrams in, beside a listener of connections."""

    def start(self, address: Address) -> None:
        """Listen; raises ``TransportError`` if the address cannot be bound."""

    def stop(self) -> None:
        """Close everything."""


class BlinksocksRole(ABC):
    """Listens for connections, and for datagrams at the same port; owns what it took in.

    Args:
        address: Where to listen for datagrams; of its port counts what the listener got.
        datagrams: Who takes them; None: nobody does.
    """

    def __init__(self, address: Address, datagrams: DatagramRelay | None) -> None:
        self._address = address
        self._datagrams = datagrams
        self._connections = Connections()
        self._total = Traffic()
        self._listener: Listener | None = None

    @property
    def addresses(self) -> Sequence[Address]:
        """Where it listens, until it has stopped."""
        return self._listener.addresses if self._listener else ()

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes up and down so far."""
        return self._total.up, self._total.down

    async def start(self) -> None:
        """Listen.

        Raises:
            TransportError: an address cannot be bound; nothing listens then.
            ConfigError: a certificate cannot be used.
        """
        self._listener = await self._listen()
        if self._datagrams:
            try:
                self._datagrams.start(replace(self._address, port=self.addresses[0].port))
            except TransportError:
                await self.stop()
                raise
        self._announce()

    async def stop(self, grace: float = 0.0) -> None:
        """Stop listening, let connections end for ``grace`` seconds, reset the rest.

        One that was cancelled can be finished by another.
        """
        if self._listener:
            await self._listener.aclose()
        if self._datagrams:
            self._datagrams.stop()
        await self._connections.stop(grace, self._hopeless)
        if self._listener:
            await self._listener.release()
            self._listener = None

    def _hopeless(self) -> Collection[Stream]:
        """Connections that stopping ends at once, whatever comes on them."""
        return ()

    @abstractmethod
    async def _listen(self) -> Listener:
        """Take connections in; errors as of `start`."""

    @abstractmethod
    def _announce(self) -> None:
        """Log what now runs."""
