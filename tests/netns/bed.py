"""Machines and the cables between them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.netns.machine import Machine
from tests.netns.router import Router

if TYPE_CHECKING:
    from collections.abc import Iterator


class Bed(contextlib.ExitStack):
    """Machines that exist until the end of a `with`."""

    def machine(self, name: str) -> Machine:
        """A machine with a loopback interface alone."""
        machine = Machine(name)
        self.callback(machine.close)
        return machine

    def router(self, name: str = "router") -> Router:
        """A machine that passes packets on."""
        router = Router(name)
        self.callback(router.close)
        return router

    def cable(self, one: Machine, other: Machine, mtu: int = 1500) -> None:
        """Join two machines; each names its new interface after the other."""
        ends = (other.name, "netns", one.namespace), (one.name, "netns", other.namespace)
        one.ip("link", "add", *ends[0], "type", "veth", "peer", *ends[1])
        for machine, interface in ((one, other.name), (other, one.name)):
            machine.mtu(interface, mtu)
            machine.ip("link", "set", interface, "up")


class Routed:
    """A client, a router and a server with two addresses of each family.

    | machine | addresses |
    | --- | --- |
    | client | 10.0.1.2, 2001:db8:1::2 |
    | server | 10.0.2.2 and 10.0.2.3, 2001:db8:2::2 and 2001:db8:2::3 |

    Attributes:
        asked: The addresses of the server that its system does not prefer.
    """

    asked = ("10.0.2.3", "[2001:db8:2::3]")

    def __init__(self, bed: Bed) -> None:
        self.client, self.router, self.server = (
            bed.machine("client"),
            bed.router(),
            bed.machine("server"),
        )
        bed.cable(self.client, self.router)
        bed.cable(self.router, self.server)
        self.router.address("client", "10.0.1.1/24", "2001:db8:1::1/64")
        self.router.address("server", "10.0.2.1/24", "2001:db8:2::1/64")
        self.client.address("router", "10.0.1.2/24", "2001:db8:1::2/64")
        for addresses in (("10.0.2.2/24", "10.0.2.3/24"), ("2001:db8:2::2/64",)):
            self.server.address("router", *addresses)
        # IPv6 prefers the newest of equal addresses, unless that one is deprecated.
        self.server.ip(
            *("address", "add", "2001:db8:2::3/64", "dev", "router", "nodad"),
            *("preferred_lft", "0"),
        )
        self.client.gateway("10.0.1.1", "2001:db8:1::1")
        self.server.gateway("10.0.2.1", "2001:db8:2::1")


@contextlib.contextmanager
def routed() -> Iterator[Routed]:
    """A `Routed` for the time of a `with`."""
    with Bed() as bed:
        yield Routed(bed)
