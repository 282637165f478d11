"""Notices that this machine has got another network, or that it has slept."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING

from blinktun.net.dial import numeric

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK = 1.0
"""Seconds between looks at the clocks, and at what no message of the kernel tells."""
_SLEEP = 2.0
"""So many seconds, which the loop's clock has missed, are a sleep. A clock that is set by less is
none."""
_ROUTE_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
"""Of netlink: links, and addresses and routes of both families."""


def source_address(host: str) -> str | None:
    """The address of this machine that datagrams to an IP address leave from now; None: none do.

    Nothing is sent.
    """
    try:
        family, where = numeric(host, 9)
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(where)
            return str(probe.getsockname()[0])
    except OSError:
        return None


class NetworkWatch:
    """Calls back whenever the network of this machine may be another, until it is closed.

    On Linux the kernel says when. On other systems, and in case it says nothing, there is a look
    each second.

    Args:
        on_change: The network may be another.
        on_resume: The machine has slept for so many seconds.
    """

    def __init__(
        self, on_change: Callable[[], object], on_resume: Callable[[float], object]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_change = on_change
        self._on_resume = on_resume
        self._missed = _missed()
        self._route = _route_socket()
        if self._route is not None:
            self._loop.add_reader(self._route, self._on_message)
        self._timer = self._loop.call_later(_LOOK, self._look)

    def close(self) -> None:
        """Call back no more."""
        self._timer.cancel()
        if self._route is not None:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._route)
            self._route.close()
            self._route = None

    def _on_message(self) -> None:
        # What it says is found out by looking. If there were too many messages, the error says so.
        route = self._route
        with contextlib.suppress(OSError):
            while route and route.recv(65536):
                pass
        self._notice()

    def _look(self) -> None:
        self._timer = self._loop.call_later(_LOOK, self._look)
        self._notice()

    def _notice(self) -> None:
        missed = _missed()
        slept, self._missed = missed - self._missed, missed
        if slept >= _SLEEP:
            self._on_resume(slept)
        self._on_change()


def _missed() -> float:
    """How much the loop's clock is behind one that goes on while the machine sleeps."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return (time.time() if boot is None else time.clock_gettime(boot)) - time.monotonic()


def _route_socket() -> socket.socket | None:
    """A socket on which the kernel tells of links, addresses and routes, if it has that."""
    if not hasattr(socket, "AF_NETLINK"):
        return None
    with contextlib.suppress(OSError):
        route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        try:
            route.setblocking(False)
            route.bind((0, _ROUTE_GROUPS))
        except OSError:
            route.close()
            raise
        return route
    return None
