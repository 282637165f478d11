"""Which handshake an application is spoken to with."""

from __future__ import annotations

from enum import Flag, auto
from http import HTTPStatus
from typing import TYPE_CHECKING, assert_never

from blinktun.address import Address
from blinktun.config.model import BlinksocksClient, Credentials, Inbound
from blinktun.effects import Reject, Reply
from blinktun.errors import ConfigError
from blinktun.proxies import socks4, socks5
from blinktun.proxies.base import Demand, Handshake
from blinktun.proxies.forward import FixedForward
from blinktun.proxies.http import HttpProxy
from blinktun.proxies.http_message import answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blinktun.effects import Chunk
    from blinktun.proxies.refusal import Refusal


def handshake_maker(config: BlinksocksClient) -> Callable[[], Handshake]:
    """Return what makes the handshake of each connection.

    Raises:
        ConfigError: a tcp service has no target to forward to.
    """
    credentials, listen = config.credentials, config.listen
    match config.inbound:
        case Inbound.SOCKS:
            # A service that asks for SOCKS4 by name gets it, as in blinksocks, and a warning.
            allows = config.allows_socks4
            return lambda: Detect(
                credentials, speaks=Speaks.SOCKS, listen=listen, allows_socks4=allows
            )
        case Inbound.HTTP:
            return lambda: Detect(credentials, speaks=Speaks.HTTP, listen=listen)
        case Inbound.AUTO:
            return lambda: Detect(credentials, speaks=Speaks.BOTH, listen=listen)
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


class Speaks(Flag):
    """What a port speaks."""

    SOCKS = auto()
    HTTP = auto()
    BOTH = SOCKS | HTTP


_ANYWHERE = Address("", 0)


class Detect(Handshake):
    """Choose the protocol by the first byte; an application at the wrong port is told so.

    Every SOCKS port speaks SOCKS4, 4a and 5. HTTP begins with a letter, or with an empty line.

    Args:
        credentials: What applications must present.
        speaks: The protocols of this port.
        listen: Where the port is, for those who came to it by mistake.
        allows_socks4: Whether SOCKS4, which has no passwords, is served although credentials are
            asked for.
    """

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        speaks: Speaks = Speaks.SOCKS,
        listen: Address = _ANYWHERE,
        allows_socks4: bool = False,
    ) -> None:
        self._credentials = credentials
        self._allows_socks4 = allows_socks4
        self._speaks = speaks
        self._listen = listen
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
                return self._turn_away(data[0])
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
        if Speaks.SOCKS in self._speaks and first == socks5.VERSION:
            return socks5.Socks5(self._credentials)
        if Speaks.SOCKS in self._speaks and first == socks4.VERSION:
            guarded = self._credentials is not None and not self._allows_socks4
            return socks4.Socks4(refuses=guarded)
        if Speaks.HTTP in self._speaks and _may_be_http(first):
            return HttpProxy(self._credentials)
        return None

    def _turn_away(self, first: int) -> Sequence[Demand]:
        """Say what this port speaks, in the application's own protocol if that is known."""
        here = _NAMES[self._speaks]
        if first == socks5.VERSION:
            return [Reply(socks5.NO_METHOD), Reject(f"SOCKS5, but this port speaks {here}")]
        if first == socks4.VERSION:
            return [Reply(socks4.REFUSED), Reject(f"SOCKS4, but this port speaks {here}")]
        if first == _TLS_HANDSHAKE:
            return [Reject(f"TLS, but this port speaks {here} without TLS")]
        if _may_be_http(first):
            host = self._listen.host if _is_one_host(self._listen) else "HOST"
            there = Address(host, self._listen.port)
            text = f"this port speaks SOCKS5: curl -x socks5h://{there} ..."
            page = answer(None, HTTPStatus.BAD_REQUEST, text, close=True)
            return [Reply(page), Reject(f"HTTP, but this port speaks {here}")]
        return [Reject(f"unknown protocol: this port speaks {here}")]


_NAMES = {
    Speaks.SOCKS: "SOCKS",
    Speaks.HTTP: "HTTP",
    Speaks.BOTH: "SOCKS and HTTP",
}
_TLS_HANDSHAKE = 0x16


def _may_be_http(first: int) -> bool:
    """Whether a request can begin like this: with a method, or with an empty line."""
    return bytes((first,)).isalpha() or first in b"\r\n"


def _is_one_host(address: Address) -> bool:
    ip = address.ip
    return not ip.is_unspecified if ip else bool(address.host)
