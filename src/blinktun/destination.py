"""Where an address leads: what a connection reaches that is made to it.

The kernel takes 0.0.0.0 for loopback, and an IPv4 address can stand inside an IPv6 one. So an
address is judged by every address that it can stand for, and not by how it is written.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Ip: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressKind(Enum):
    """What an address is, the most private kind first; the text is what a message calls it."""

    UNSPECIFIED = "the unspecified address"
    LOOPBACK = "a loopback address"
    LINK_LOCAL = "a link-local address"
    METADATA = "the metadata service of a cloud"
    MULTICAST = "a multicast address"
    BROADCAST = "the broadcast address"
    TRANSLATED = "an address of a local NAT64 gateway"
    PRIVATE = "an address of a private network"
    PUBLIC = "a public address"


def parse_ip(text: str) -> Ip | None:
    """An address in any form that the system takes for one, such as ``127.1``; mapped ones as IPv4.

    Else a rule against an address would not hold for its other spellings.
    """
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        if not _SHORTHAND.fullmatch(text):
            return None
        try:
            return ipaddress.IPv4Address(socket.inet_aton(text))
        except OSError:
            return None
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip


def destinations(ip: Ip) -> Iterator[Ip]:
    """The address itself, and every other one that a connection to it can reach."""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    ip = mapped or ip  # a socket for IPv6 reaches IPv4 by these
    yield ip
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.is_unspecified:
            yield _LOOPBACK_6
            yield _LOOPBACK_4
        elif not ip.is_loopback:
            for inner in _embedded(ip):
                yield from destinations(inner)
    elif ip.is_unspecified:
        yield _LOOPBACK_4


def kind_of(ip: Ip) -> AddressKind:
    """The most private kind among all destinations of an address."""
    return min(map(_kind, destinations(ip)), key=_ORDER.__getitem__)


def _kind(ip: Ip) -> AddressKind:
    if ip in _METADATA:
        return AddressKind.METADATA
    for network, kind in _KINDS:
        if ip in network:
            return kind
    return AddressKind.PRIVATE if ip.is_private else AddressKind.PUBLIC


def _embedded(ip: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """IPv4 addresses that stand in an IPv6 one, for a tunnel or gateway to read."""
    bits = int(ip)
    for network, shift in _EMBEDDING:
        if ip in network:
            yield _ipv4(bits >> shift)
    if ip in _TEREDO:  # the client's address is written inverted (RFC 4380, section 4)
        yield _ipv4(~bits)
    if bits >> 32 & 0xFDFFFFFF == _ISATAP:
        yield _ipv4(bits)


def _ipv4(bits: int) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(bits & 0xFFFFFFFF)


_ORDER = {kind: number for number, kind in enumerate(AddressKind)}
_LOOPBACK_4 = ipaddress.IPv4Address("127.0.0.1")
_LOOPBACK_6 = ipaddress.IPv6Address("::1")
_TEREDO = ipaddress.IPv6Network("2001::/32")
_ISATAP = 0x00005EFE  # in the middle of an address of any network (RFC 5214, section 6.1)
_EMBEDDING = tuple(
    (ipaddress.IPv6Network(network), shift)
    for network, shift in (
        ("::/96", 0),  # IPv4-compatible
        ("::ffff:0:0:0/96", 0),  # IPv4-translated (SIIT)
        ("64:ff9b::/96", 0),  # NAT64
        ("2002::/16", 80),  # 6to4
        ("2001::/32", 64),  # Teredo: its server
    )
)
_KINDS = tuple(
    (ipaddress.ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", AddressKind.UNSPECIFIED),
        ("127.0.0.0/8", AddressKind.LOOPBACK),
        ("169.254.0.0/16", AddressKind.LINK_LOCAL),
        ("224.0.0.0/4", AddressKind.MULTICAST),
        ("255.255.255.255/32", AddressKind.BROADCAST),
        ("100.64.0.0/10", AddressKind.PRIVATE),
        ("::/128", AddressKind.UNSPECIFIED),
        ("::1/128", AddressKind.LOOPBACK),
        ("fe80::/10", AddressKind.LINK_LOCAL),
        ("fec0::/10", AddressKind.PRIVATE),
        ("ff00::/8", AddressKind.MULTICAST),
        # Each network chooses where in it the IPv4 address stands (RFC 8215): it cannot be read.
        ("64:ff9b:1::/48", AddressKind.TRANSLATED),
    )
)
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        # Those that are not link-local: AWS, Google, Alibaba, Oracle, Azure.
        ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    )
)
_SHORTHAND = re.compile(r"[0-9a-fx.]+", re.ASCII | re.IGNORECASE)
