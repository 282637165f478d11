"""Whether an address is one of this machine's, as the kernel sees it now."""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blinktun.destination import Ip

_HEADER = struct.Struct("=IHHII")
"""Of a netlink message: length, type, flags, sequence, port."""
_ROUTE = struct.Struct("=8BI")
"""``rtmsg``: family, length of the destination, five fields that are 0 here, and the type."""
_ATTRIBUTE = struct.Struct("=HH")
_RTM_NEWROUTE, _RTM_GETROUTE, _NLM_F_REQUEST, _RTA_DST = 24, 26, 1, 1
_RTN_LOCAL = 2


def is_own(ip: Ip) -> bool:
    """Whether a connection to this address stays on this machine."""
    try:
        return _is_routed_here(ip) if hasattr(socket, "AF_NETLINK") else _can_bind(ip)
    except OSError:
        return False


def _is_routed_here(ip: Ip) -> bool:
    """Linux: ask for the route; that also knows addresses which no interface has.

    Raises:
        OSError: the kernel does not answer.
    """
    family = socket.AF_INET if isinstance(ip, ipaddress.IPv4Address) else socket.AF_INET6
    route = _ROUTE.pack(family, ip.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    wanted = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(ip.packed), _RTA_DST) + ip.packed
    size = _HEADER.size + len(route) + len(wanted)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.setblocking(False)  # the kernel has answered when ``send`` returns
        link.send(_HEADER.pack(size, _RTM_GETROUTE, _NLM_F_REQUEST, 1, 0) + route + wanted)
        answer = link.recv(4096)
    kind = _HEADER.unpack_from(answer)[1]
    if kind != _RTM_NEWROUTE:  # no route leads there
        return False
    return bool(_ROUTE.unpack_from(answer, _HEADER.size)[7] == _RTN_LOCAL)


def _can_bind(ip: Ip) -> bool:
    """Other systems: a socket can be bound to an address of the machine alone.

    Raises:
        OSError: it cannot, or there is no socket.
    """
    family = socket.AF_INET if isinstance(ip, ipaddress.IPv4Address) else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((str(ip), 0))
    return True
