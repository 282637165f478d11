"""Which handshake an application is spoken to with."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from blinktun.config.model import BlinksocksClient, Credentials, Inbound
from blinktun.effects import Reject
from blinktun.errors import ConfigError
from blinktun.proxies import socks4, socks5
from blinktun.proxies.base import Demand, Handshake, Refusal
from blinktun.proxies.forward import FixedForward
from blinktun.proxies.http import HttpProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blinktun.address import Address
    from blinktun.effects import Chunk


def handshake_maker(config: BlinksocksClient) -> Callable[[], Handshake]:
    """Return what makes the handshake of each connection.

    Raises:
        ConfigError: a tcp service has no target to forward to.
    """
    match config.inbound:
        case Inbound.SOCKS:
            return lambda: Socks(config.credentials)
        case Inbound.HTTP:
            return lambda: HttpProxy(config.credentials)
        case Inbound.TCP:
            if (target := config.forward) is None:
                raise ConfigError(
                    "a tcp service needs a target",
                    source=config.source,
                    key="service",
                    fix="add ?forward=host:port",
                )
            return lambda: FixedForward(target)
        case _:
            assert_never(config.inbound)


class Socks(Handshake):
    """SOCKS4, 4a or 5, by the first byte: every socks service speaks all of them."""

    def __init__(self, credentials: Credentials | None = None) -> None:
        self._credentials = credentials
        self._chosen: Handshake | None = None

    def receive(self, data: Chunk) -> Sequence[Demand]:
        """Choose by the first byte, then pass on."""
        if self._chosen is None:
            match data[0]:
                case socks5.VERSION:
                    self._chosen = socks5.Socks5(self._credentials)
                case socks4.VERSION:
                    self._chosen = socks4.Socks4()
                case _:
                    return [Reject("not SOCKS")]
        return self._chosen.receive(data)

    def granted(self) -> bytes:
        """Return the success reply of the version in use."""
        return self._chosen.granted() if self._chosen else b""

    def granted_datagrams(self, address: Address) -> bytes:
        """Return the reply that names where datagrams go."""
        return self._chosen.granted_datagrams(address) if self._chosen else b""

    def refused(self, reason: Refusal) -> bytes:
        """Return the failure reply of the version in use."""
        return self._chosen.refused(reason) if self._chosen else b""

    def take_early(self) -> Chunk:
        """Return what came behind the request."""
        return self._chosen.take_early() if self._chosen else b""
