"""Targets as SOCKS5 writes them: ``atyp addr port`` (RFC 1928, section 5).

ss-base puts this in front of a connection, and SOCKS5 requests hold it. Other presets write hosts
as text alone.
"""

from __future__ import annotations

import ipaddress
import re

from blinktun.address import Address
from blinktun.errors import LocalError, RemoteError

IPV4, NAME, IPV6 = 1, 3, 4

_FIXED_SIZE = {IPV4: 4, IPV6: 16}
# Host names as resolvers take them, underscores included; whoever sends text with a colon means
# an IPv6 address.
_HOST = re.compile(r"(?=.{1,253}\.?\Z)[\w-]{1,63}(\.[\w-]{1,63})*\.?", re.ASCII)


def pack(target: Address) -> bytes:
    """Write a target.

    Raises:
        LocalError: the host is no name that fits.
    """
    port = target.port.to_bytes(2, "big")
    match target.ip:
        case ipaddress.IPv4Address() as ip:
            return bytes((IPV4,)) + ip.packed + port
        case ipaddress.IPv6Address() as ip:
            return bytes((IPV6,)) + ip.packed + port
    name = host_text(target)
    return bytes((NAME, len(name))) + name + port


def host_text(target: Address) -> bytes:
    """Write a target's host as text, IP addresses too, in at most 255 bytes.

    Raises:
        LocalError: the host is no name that fits.
    """
    host = str(target.ip or target.host)
    try:
        name = host.encode("ascii" if host.isascii() else "idna")
    except UnicodeError:
        name = b""
    if not 1 <= len(name) <= 255:
        raise LocalError("the target's host does not fit into an address header")
    return name


def unpack(data: bytes) -> tuple[Address, int] | None:
    """Read a target from the start of ``data``.

    Returns:
        The target and how many bytes it took (at most 259); None: more bytes are needed.

    Raises:
        RemoteError: the bytes are no target.
    """
    if not data:
        return None
    atyp = data[0]
    if atyp == NAME:
        return _unpack_name(data)
    if atyp not in _FIXED_SIZE:
        raise RemoteError(f"address type {atyp} does not exist")
    end = 1 + _FIXED_SIZE[atyp]
    if len(data) < end + 2:
        return None
    host = str(ipaddress.ip_address(data[1:end]))
    return Address(host, int.from_bytes(data[end : end + 2], "big")), end + 2


def parse_host(raw: bytes) -> str:
    """Check a host that somebody sent: a name, or an IP address as text.

    Raises:
        RemoteError: it is neither.
    """
    try:
        text = raw.decode("utf-8")
        host = text if text.isascii() else text.encode("idna").decode("ascii")
        if ":" in host and "%" not in host:  # a scope is an interface of ours: no peer chooses it
            return str(ipaddress.IPv6Address(host))
    except ValueError:
        raise RemoteError("the host is neither a name nor an address") from None
    if not _HOST.fullmatch(host):
        raise RemoteError("the host is neither a name nor an address")
    return host


def _unpack_name(data: bytes) -> tuple[Address, int] | None:
    if len(data) < 2 or len(data) < 4 + data[1]:
        return None
    end = 2 + data[1]
    host = parse_host(data[2:end])
    return Address(host, int.from_bytes(data[end : end + 2], "big")), end + 2
