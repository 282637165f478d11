"""One machine: a network namespace, and what programs on it see."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from pathlib import Path

from tests.interop.harness.ports import udp_ports

from blinktun.lab import Host

_numbers = itertools.count()


class Machine(Host):
    """A network namespace with a loopback interface that is up.

    `cable` of a `Bed` gives it interfaces; they are named after the machine at the other end.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"blinktun-{os.getpid()}-{next(_numbers)}-{name}")
        # An interface asks for a second whether nobody else has its IPv6 address: nobody has.
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)

    def close(self) -> None:
        """Remove the namespace. Its interfaces go with the last program in it."""
        super().close()
        shutil.rmtree(self._etc, ignore_errors=True)

    # --- its network ----------------------------------------------------------------------

    def address(self, interface: str, *addresses: str) -> None:
        """Give an interface addresses such as `192.0.2.1/24`; the first is the one it prefers."""
        for address in addresses:
            # No waiting until nobody else turns out to have the IPv6 address.
            once = ("nodad",) if ":" in address else ()
            self.ip("address", "add", address, "dev", interface, *once)

    def gateway(self, *addresses: str) -> None:
        """Send all that is not for a neighbour to these routers, one a family."""
        for address in addresses:
            self.ip("route", "add", "default", "via", address)

    def mtu(self, interface: str, size: int) -> None:
        """Change the size of the longest packet that may leave through an interface."""
        self.ip("link", "set", interface, "mtu", str(size))

    def sysctl(self, name: str, value: int) -> None:
        """Set a value of this namespace, such as `net.ipv4.ip_forward`."""
        with self.inside():
            (Path("/proc/sys") / name.replace(".", "/")).write_text(str(value))

    def sent(self, interface: str) -> tuple[int, int]:
        """Bytes and packets that left through an interface; a run of datagrams is one packet."""
        with self.inside():
            lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
        fields = next(line.split() for line in lines if line.split()[0] == f"{interface}:")
        return int(fields[9]), int(fields[10])

    @property
    def udp_ports(self) -> list[int]:
        """The ports of the UDP sockets here that hear everybody."""
        with self.inside():
            return udp_ports()

    # --- its files ------------------------------------------------------------------------

    def file(self, name: str, text: str) -> None:
        """Programs here find `text` at `/etc/<name>`, which must exist on the real machine too."""
        self._etc.mkdir(parents=True, exist_ok=True)
        (self._etc / name).write_text(text)

    @property
    def _etc(self) -> Path:
        return Path("/etc/netns") / self.namespace  # `ip netns exec` mounts what is there

    # --- what runs on it ------------------------------------------------------------------

    def run(self, *argv: str | Path) -> str:
        """Run a program here to its end, and return what it prints.

        Raises:
            AssertionError: its exit status is not 0.
        """
        return _run(*self.command(*argv))


def _run(*argv: str | Path) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, f"{argv}: {done.stderr}{done.stdout}"
    return done.stdout
