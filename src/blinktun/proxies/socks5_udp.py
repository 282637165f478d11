"""Datagrams of SOCKS5: ``00 00 frag atyp addr port data`` (RFC 1928, section 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.errors import RemoteError
from blinktun.presets.socks_address import pack, unpack

if TYPE_CHECKING:
    from blinktun.address import Address


def unpack_datagram(data: bytes) -> tuple[Address, bytes]:
    """Read where an application's datagram goes, and its payload, which may be empty.

    Raises:
        RemoteError: it is malformed, or a fragment: those are not put together.
    """
    if len(data) < 4 or data[:2] != b"\0\0":
        raise RemoteError("a datagram without the header of SOCKS5")
    if data[2]:
        raise RemoteError("a fragment of a datagram")
    found = unpack(data[3:])
    if found is None:
        raise RemoteError("a datagram ends inside its address")
    target, size = found
    return target, data[3 + size :]


def pack_datagram(source: Address, payload: bytes) -> bytes:
    """Write a datagram for an application."""
    return b"\0\0\0" + pack(source) + payload
