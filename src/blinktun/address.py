"""Hosts and ports: parse, compare, print."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

_SCOPE = re.compile(r"[\w.-]{1,15}", re.ASCII)
"""A number or a name of an interface, which Linux bounds at 15 bytes."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port.

    Attributes:
        host: A name or an IP literal without brackets, for IPv6 with a scope behind ``%`` if it
            needs one; empty for "every local address".
        port: 0..65535.

    Raises:
        ValueError: the port or the scope cannot be one.
    """

    host: str
    port: int

    def __post_init__(self) -> None:
        if not isinstance(self.host, str):
            raise TypeError(f"a host is text, not {type(self.host).__name__}")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not within 0..65535")
        _, percent, scope = self.host.partition("%")
        if percent and not _SCOPE.fullmatch(scope):
            raise ValueError(f"{scope!r} is not the name of an interface (letters, digits, . _ -)")

    @classmethod
    def parse(cls, text: str, *, default_port: int | None = None) -> Address:
        """Read ``host:port``, ``[v6]:port``, ``:port`` or, with a default port, ``host``.

        Raises:
            ValueError: the text is none of these; its message says why.
        """
        host, port_text = _split(text.strip())
        if not port_text:
            if default_port is None:
                raise ValueError("the port is missing")
            return cls(host, default_port)
        if not (port_text.isascii() and port_text.isdigit()) or int(port_text) > 65535:
            raise ValueError(f"{port_text!r} is not a port (0..65535)")
        return cls(host, int(port_text))

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The host as an IP address, or None if it is a name or empty."""
        return _ip_of(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@lru_cache(maxsize=4096)
def _ip_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    # The same hosts come again and again: with each connection of a source or to a target.
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _split(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("an IPv6 address needs the form [address]:port")
        return host, rest[1:]
    if text.count(":") > 1:
        raise ValueError("an IPv6 address needs brackets: [address]:port")
    host, _, port = text.partition(":")
    return host, port
