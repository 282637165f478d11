"""One end of a link: a network namespace."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from blinktun.errors import LabError
from blinktun.lab.requirements import ip_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

NAMESPACES = Path("/run/netns")
"""Where the system keeps the namespaces that have names."""
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_PATIENCE = 30.0
"""Seconds that ``ip`` may take; a busy machine needs some to remove a namespace."""
_libc = ctypes.CDLL(None, use_errno=True)


class Host:
    """A network namespace with a loopback interface that is up.

    Attributes:
        namespace: Its name, as ``ip netns`` knows it.
        ipv4: Its address on the link.
        ipv6: Its address on the link; empty if this machine has no IPv6.

    Raises:
        LabError: the system refuses to make it.
    """

    def __init__(self, namespace: str, ipv4: str = "", ipv6: str = "") -> None:
        self.namespace = namespace
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        _ip("netns", "add", namespace)
        self.ip("link", "set", "lo", "up")

    def close(self) -> None:
        """Remove the namespace. Programs that still run in it have no network any more."""
        remove(self.namespace)

    def ip(self, *words: str) -> str:
        """Run ``ip`` here; returns what it prints.

        Raises:
            LabError: it fails.
        """
        return _ip("-n", self.namespace, *words)

    def command(self, *argv: str | PathLike[str]) -> list[str]:
        """The command line that runs ``argv`` here, for `subprocess`."""
        return [_program(), "netns", "exec", self.namespace, *(os.fspath(word) for word in argv)]

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that this thread makes within are this host's, and stay so. Do not ``await``.

        Raises:
            OSError: the namespace is gone.
        """
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            there = os.open(NAMESPACES / self.namespace, os.O_RDONLY)
            try:
                _enter(there)
            finally:
                os.close(there)
            try:
                yield
            finally:
                _enter(home)
        finally:
            os.close(home)

    def socket(
        self,
        kind: socket.SocketKind = socket.SOCK_STREAM,
        family: socket.AddressFamily = socket.AF_INET,
        protocol: int = 0,
    ) -> socket.socket:
        """A socket of this host."""
        with self.inside():
            return socket.socket(family, kind, protocol)


def remove(namespace: str) -> None:
    """Remove a namespace if it is there.

    Raises:
        LabError: the system refuses.
    """
    if (NAMESPACES / namespace).exists():
        _ip("netns", "delete", namespace)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _NEW_NETWORK) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _program() -> str:
    program = ip_program()
    if program is None:
        raise LabError("there is no program ip: install iproute2")
    return program


def _ip(*words: str) -> str:
    # In a session of its own Ctrl-C does not reach it, so that it can remove what it made.
    try:
        done = subprocess.run(  # noqa: S603 - our own words, no shell
            [_program(), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"ip {' '.join(words)}: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or f"status {done.returncode}"
        raise LabError(f"ip {' '.join(words)}: {said}")
    return done.stdout.decode(errors="replace")
