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
            return lambda: Detect(config.credentials)
        case Inbound.HTTP:
            return lambda: HttpProxy(config.credentials)
        case Inbound.AUTO:
            return lambda: Detect(config.credentials, http=True)
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


class Detect(Handshake):
    """SOCKS4, 4a or 5, by the first byte: every socks service speaks all of them.

    With ``http``, a letter means HTTP: that is what its methods begin with.
    """

    def __init__(self, credentials: Credentials | None = None, *, http: bool = False) -> None:
        self._credentials = credentials
        self._http = http
        self._chosen: Handshake | None = None

    @property
    def complaint(self) -> str:
        """What the protocol in use has complained of."""
        return self._chosen.complaint if self._chosen else ""

    def start(self) -> Sequence[Demand]:
        """Begin, or begin again, with whoever was chosen."""
        return self._chosen.start() if self._chosen else []

    def receive(self, data: Chunk) -> Sequence[Demand]:
        """Choose by the first byte, then pass on."""
        if self._chosen is None:
            self._chosen = self._choose(data[0])
            if self._chosen is None:
                return [Reject("neither SOCKS nor HTTP" if self._http else "not SOCKS")]
        return self._chosen.receive(data)

    def granted(self) -> bytes:
        """Return the success reply of the protocol in use."""
        return self._chosen.granted() if self._chosen else b""

    def granted_datagrams(self, address: Address) -> bytes:
        """Return the reply that names where datagrams go."""
        return self._chosen.granted_datagrams(address) if self._chosen else b""

    def refused(self, reason: Refusal) -> bytes:
        """Return the failure reply of the protocol in use."""
        return self._chosen.refused(reason) if self._chosen else b""

    def take_early(self) -> Chunk:
        """Return what came behind the request."""
        return self._chosen.take_early() if self._chosen else b""

    def _choose(self, first: int) -> Handshake | None:
        if first == socks5.VERSION:
            return socks5.Socks5(self._credentials)
        if first == socks4.VERSION:
            return socks4.Socks4(refuses=self._credentials is not None)
        if self._http and bytes((first,)).isalpha():
            return HttpProxy(self._credentials)
        return None
