"""ICMP errors that nobody on the path has sent."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.netns.machine import Machine


def forge_fragmentation_needed(
    sender: Machine, path: tuple[tuple[str, int], tuple[str, int]], mtu: int
) -> None:
    """Tell the first end of an IPv4 path that packets of UDP to the second must be shorter.

    Args:
        sender: Who forges; its own address is the source.
        path: Both ends, each an address and a port.
        mtu: What is claimed.
    """
    (source, source_port), (target, target_port) = path
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    # The packet that was too long: its IPv4 header and the first eight bytes behind.
    head = struct.pack("!BBHHHBBH", 0x45, 0, 1400, 1, 0x4000, 64, socket.IPPROTO_UDP, 0)
    head = head[:10] + struct.pack("!H", _checksum(head + addresses)) + addresses
    quoted = head + struct.pack("!HHHH", source_port, target_port, 1380, 0)
    message = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + quoted
    message = message[:2] + struct.pack("!H", _checksum(message)) + message[4:]
    with sender.socket(socket.SOCK_RAW, protocol=socket.IPPROTO_ICMP) as raw:
        raw.sendto(message, (source, 0))


def forge_packet_too_big(
    sender: Machine, path: tuple[tuple[str, int], tuple[str, int]], mtu: int
) -> None:
    """The same for an IPv6 path."""
    (source, source_port), (target, target_port) = path
    udp = struct.pack("!HHHH", source_port, target_port, 1380, 0)
    head = struct.pack("!IHBB", 0x60000000, 1380, socket.IPPROTO_UDP, 64)
    addresses = b"".join(socket.inet_pton(socket.AF_INET6, ip) for ip in (source, target))
    message = struct.pack("!BBHI", 2, 0, 0, mtu) + head + addresses + udp
    with sender.socket(socket.SOCK_RAW, socket.AF_INET6, socket.IPPROTO_ICMPV6) as raw:
        raw.sendto(message, (source, 0))  # the kernel writes its checksum


def _checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
