"""Two hosts and the link between them."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from blinktun._core import Emulator, Link, LinkCounts
from blinktun.errors import LabError
from blinktun.lab.host import Host
from blinktun.lab.requirements import require
from blinktun.lab.slots import Slot
from blinktun.lab.tun import attach

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_IPV4 = ("10.77.0.1", "10.77.0.2")
_IPV6 = ("fd77::1", "fd77::2")
"""Addresses of the client and the server. Labs do not see each other, so all have the same."""


class Counts(NamedTuple):
    """What a link has done.

    Attributes:
        up: From client to server.
        down: From server to client.
    """

    up: LinkCounts
    down: LinkCounts


class Lab:
    """A client, a server, and a link between them, until the end of a ``with``.

    ::

        with Lab("dsl loss=2%") as lab:
            subprocess.run(lab.client.command("ping", "-c", "3", lab.server.ipv4))
            print(lab.counts.down.delivered)

    Several labs may run at the same time. What a killed one has left behind, the next one removes.

    Args:
        link: A `Link`, or its words.

    Attributes:
        client: The host at the client's end.
        server: The host at the server's end.
        link: What lies between them now.

    Raises:
        ConfigError: the words describe no link.
        LabError: something is missing on this machine, or the system refuses.
    """

    def __init__(self, link: str | Link = "") -> None:
        self.link = _parsed(link)
        require()
        with contextlib.ExitStack() as made:
            slot = Slot()
            made.callback(slot.close)
            names = (slot.name("client"), slot.name("server"))
            ipv6 = _IPV6 if Path("/proc/sys/net/ipv6").exists() else ("", "")
            hosts = []
            for name, *addresses in zip(names, _IPV4, ipv6, strict=True):
                hosts.append(Host(name, *addresses))
                made.callback(hosts[-1].close)
            self.client, self.server = hosts
            self._emulator = self._start()
            self._made = made.pop_all()

    def change(self, link: str | Link) -> None:
        """Have another link from now on. What is on its way stays, and times count from now.

        Raises:
            ConfigError: the words describe no link.
        """
        self.link = _parsed(link)
        self._emulator.change(self.link)

    @property
    def counts(self) -> Counts:
        """What the link has carried and lost so far; after the end, what it had then."""
        return Counts(*self._emulator.counts())

    def close(self) -> None:
        """Remove all that was made. A second call does nothing.

        Raises:
            LabError: the link had broken before, because somebody removed a device or namespace.
        """
        with self._made:
            try:
                self._emulator.stop()
            except OSError as error:
                raise LabError(f"a device of the lab was removed: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> Emulator:
        link = self.link
        seed = secrets.randbits(64) if link.seed is None else link.seed
        with contextlib.ExitStack() as opened:  # the emulator has descriptors of its own
            client = attach(self.client, link.largest_mtu)
            opened.callback(os.close, client)
            server = attach(self.server, link.largest_mtu)
            opened.callback(os.close, server)
            with _before_others():
                return Emulator(client, server, link, seed)


@contextlib.contextmanager
def _before_others() -> Iterator[None]:
    """Threads that begin within run before all ordinary ones, if the system allows that.

    The link must not become slower because the programs that are tried on it are busy. The kernel
    leaves a twentieth of the time to the others, whatever happens.
    """
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:  # no CAP_SYS_NICE, or a C library that has no such call
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, priority)


def _parsed(link: str | Link) -> Link:
    return Link(*link.split()) if isinstance(link, str) else link
