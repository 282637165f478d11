"""From an address in a configuration to bound sockets: a listening name means all its addresses."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import os
import socket
from typing import TYPE_CHECKING, TypeVar

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.net.dial import numeric
from blinktun.net.resolve import LOOPBACK, is_localhost
from blinktun.net.system_names import ask_system_now

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = logging.getLogger("blinktun.net")

BACKLOG = 1024
"""Connections that may wait to be accepted."""
_FIRST_FREE_PORT = 1024
"""Lower ports need a capability (Linux: ``net.ipv4.ip_unprivileged_port_start``)."""
_NAME_TIMEOUT = 5.0
"""Seconds that the system gets for a name to listen on."""
_FAMILIES_TRIED = 8
"""Attempts to find a port that is free in both families, when any will do."""
_EVERY_IPV4, _EVERY_IPV6 = "0.0.0.0", "::"  # noqa: S104 - what a configuration asks for
_NO_SUCH_FAMILY = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
"""What the system says of an address whose family it does not have, or that is not its own."""

_B = TypeVar("_B")


def is_everywhere(host: str) -> bool:
    """Whether a host stands for every address of both families: in Go, ``:port``."""
    return not host or Address(host, 0).ip == ipaddress.IPv6Address(_EVERY_IPV6)


def listen_hosts(address: Address) -> list[str]:
    """The IP addresses to listen on.

    Raises:
        OSError: the host's name does not resolve.
        ValueError: the host cannot be a name.
    """
    host = address.host
    if is_everywhere(host):
        return [_EVERY_IPV4, _EVERY_IPV6]
    if address.ip is not None:
        return [host]
    if is_localhost(host):
        return list(LOOPBACK)
    return ask_system_now(host, _NAME_TIMEOUT)


def bind_each(address: Address, hosts: Sequence[str], bind: Callable[[str], _B]) -> list[_B]:
    """What ``bind`` makes of each host that this system has; a missing family is a warning.

    Args:
        address: Where to listen, for messages.
        hosts: IP addresses, as `listen_hosts` finds them.
        bind: Raises ``OSError`` if an address cannot be bound.

    Raises:
        OSError: none can be bound, or one is in use. What was made stays with ``bind``.
    """
    made: list[_B] = []
    missing: dict[str, OSError] = {}
    for host in hosts:
        try:
            made.append(bind(host))
        except OSError as error:
            if error.errno not in _NO_SUCH_FAMILY:
                raise
            missing[host] = error
    if not made:
        raise next(iter(missing.values()), OSError("has no address"))
    if not is_everywhere(address.host):
        for host, failure in missing.items():
            reason = reason_of(failure)
            _log.warning("%s: not listening on %s as well: %s", address, host, reason)
    return made


def listen_tcp(address: Address) -> list[socket.socket]:
    """Listening, non-blocking sockets on every address of a host, all on one port.

    Raises:
        TransportError: the address cannot be bound.
    """
    try:
        hosts = listen_hosts(address)
        attempts = 1 if address.port or len(hosts) == 1 else _FAMILIES_TRIED
        return bind_on_one_port(address, hosts, _listening, attempts)
    except (OSError, ValueError) as error:
        raise listen_failure("tcp", address, error) from error


def bind_on_one_port(
    address: Address,
    hosts: Sequence[str],
    bind: Callable[[str, int], socket.socket],
    attempts: int = _FAMILIES_TRIED,
) -> list[socket.socket]:
    """Sockets for each host; with port 0 the first one's port is everyone's.

    Raises:
        OSError: they cannot be bound; none stays open.
    """
    while True:
        attempts -= 1
        with contextlib.ExitStack() as undo:
            port = address.port

            def bound(host: str) -> socket.socket:
                nonlocal port
                made = undo.enter_context(bind(host, port))
                port = made.getsockname()[1]
                return made

            try:
                made = bind_each(address, hosts, bound)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or address.port or attempts <= 0:
                    raise
                continue  # somebody else has that port in the other family
            undo.pop_all()
            return made


def listen_failure(protocol: str, address: Address, error: Exception) -> TransportError:
    """The error about an address that cannot be listened on, with what its owner can do."""
    reason = reason_of(error)
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            letter = "t" if protocol == "tcp" else "u"
            reason += f" by another program (find it: ss -ln{letter}p sport = :{address.port})"
        case errno.EACCES | errno.EPERM if address.port < _FIRST_FREE_PORT:
            reason += f": ports below {_FIRST_FREE_PORT} need CAP_NET_BIND_SERVICE (systemd: "
            reason += "AmbientCapabilities=CAP_NET_BIND_SERVICE), or take a higher port"
        case errno.EADDRNOTAVAIL:
            reason += ": this machine does not have that address (ip address lists them)"
    return TransportError(f"cannot listen on {protocol} {address}: {reason}")


def reason_of(error: Exception) -> str:
    """Why something cannot be bound."""
    number = getattr(error, "errno", None) or 0
    if number in errno.errorcode:
        return os.strerror(number)
    return getattr(error, "strerror", None) or str(error)


def _listening(host: str, port: int) -> socket.socket:
    family, where = numeric(host, port)
    # One socket a family: a socket for both would show IPv4 peers by IPv6 addresses.
    made = socket.create_server(where, family=family, backlog=BACKLOG)
    made.setblocking(False)
    return made
