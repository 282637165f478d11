"""TUN devices: a network interface whose packets a program reads and writes."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from blinktun.errors import LabError
from blinktun.lab.requirements import TUN

if TYPE_CHECKING:
    from blinktun.lab.host import Host

DEVICE = "lab0"
"""What the interface is called on each host."""
_SET_INTERFACE = 0x400454CA  # TUNSETIFF of linux/if_tun.h
_KIND = 0x0001 | 0x1000  # IFF_TUN, and IFF_NO_PI: no header in front of packets
_WAITING = 10_000
"""Packets that may wait until the emulator reads them: a burst comes faster than it can be read."""
_LEAST_MTU = 1500
"""A smaller MTU of the link is somewhere on the way, not at the hosts."""


def attach(host: Host, mtu: int) -> int:
    """Give a host its interface, with its addresses; it is gone when the descriptor is closed.

    Args:
        host: The host, with a prefix of 24 bits for IPv4 and of 64 bits for IPv6.
        mtu: The longest packet of the link, in bytes.

    Raises:
        LabError: the system refuses.
    """
    try:
        with host.inside():
            descriptor = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
            try:
                request = struct.pack("16sH22x", DEVICE.encode(), _KIND)
                fcntl.ioctl(descriptor, _SET_INTERFACE, request)
            except BaseException:
                os.close(descriptor)
                raise
    except OSError as error:
        raise LabError(f"{TUN}: {error.strerror}") from error
    try:
        _set_up(host, max(mtu, _LEAST_MTU))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _set_up(host: Host, mtu: int) -> None:
    change = ("link", "set", DEVICE)
    # The link carries only what programs send: the kernel joins no groups and asks no routers.
    host.ip(*change, "mtu", str(mtu), "txqueuelen", str(_WAITING), "multicast", "off")
    host.ip("address", "add", f"{host.ipv4}/24", "dev", DEVICE)
    if host.ipv6:
        with host.inside():
            settings = Path("/proc/sys/net/ipv6/conf") / DEVICE
            (settings / "disable_ipv6").write_text("0")
            (settings / "accept_ra").write_text("0")
            (settings / "router_solicitations").write_text("0")
        host.ip(*change, "addrgenmode", "none")
        host.ip("address", "add", f"{host.ipv6}/64", "dev", DEVICE, "nodad")
    host.ip(*change, "up")
