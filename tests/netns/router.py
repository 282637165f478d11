"""A machine that passes packets on, and what it can do to them."""

from __future__ import annotations

import socket
import struct

from tests.interop.harness import peers
from tests.netns.machine import Machine

_FAMILIES = ("iptables", "ip6tables")


class Router(Machine):
    """A router between the machines that it is joined to."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.sysctl("net.ipv4.ip_forward", 1)
        self.sysctl("net.ipv6.conf.all.forwarding", 1)
        self._ports: range | None = None

    def firewall(self, *words: str, families: tuple[str, ...] = _FAMILIES) -> None:
        """Run `iptables` and `ip6tables` here."""
        for tool in families:
            self.run(peers.system(tool), "-w", "5", *words)

    def black_hole(self, *, on: bool) -> None:
        """Pass nothing on, and say nothing about it."""
        self.firewall("-I" if on else "-D", "FORWARD", "-j", "DROP")

    def hide_icmp(self, *, on: bool = True) -> None:
        """Tell nobody that a packet was too long: a path whose MTU cannot be discovered."""
        for family, protocol in (("-4", "icmp"), ("-6", "ipv6-icmp")):
            # What comes from here finds no way. Neighbours are found without looking for one.
            rule = ("iif", "lo", "ipproto", protocol, "blackhole")
            self.ip(family, "rule", "add" if on else "delete", *rule)

    def translate(self, towards: str, ports: range) -> None:
        """What leaves through the interface `towards` gets this router's address, and such a port.

        Called again, it forgets who had which port, as a router does that was restarted: the next
        datagram of a client comes from another port.
        """
        for was, verb in ((self._ports, "-D"), (ports, "-A")):
            if was is not None:
                between = f"{was.start}-{was.stop - 1}"
                rule = ("-o", towards, "-p", "udp", "-j", "MASQUERADE", "--to-ports", between)
                self.firewall("-t", "nat", verb, "POSTROUTING", *rule)
        self._ports = ports
        self._forget_connections()

    def _forget_connections(self) -> None:
        """Empty the table of connections, by the request that `conntrack -F` makes."""
        netfilter, delete, request_with_answer = 12, 0x102, 0x5
        message = struct.pack("=IHHIIBBH", 20, delete, request_with_answer, 1, 0, 0, 0, 0)
        with self.inside(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netfilter) as kernel:
            kernel.send(message)
            answer = kernel.recv(4096)
        (error,) = struct.unpack_from("=i", answer, 16)
        assert error == 0, f"the table of connections stays: error {-error}"
