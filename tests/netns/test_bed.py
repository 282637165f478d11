"""The machines are what they are said to be; else the other tests here would show nothing."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.netns.icmp import forge_fragmentation_needed, forge_packet_too_big
from tests.netns.programs import direct, target_on

if TYPE_CHECKING:
    from tests.netns.bed import Bed, Routed
    from tests.netns.machine import Machine

MTU_OF_A_SOCKET = {socket.AF_INET: (socket.IPPROTO_IP, 14), socket.AF_INET6: (41, 24)}
DO_NOT_FRAGMENT = {socket.AF_INET: (socket.IPPROTO_IP, 10), socket.AF_INET6: (41, 23)}
WAYS = [
    (socket.AF_INET, "10.0.1.2", "10.0.2.2"),
    (socket.AF_INET6, "2001:db8:1::2", "2001:db8:2::2"),
]


def udp(machine: Machine, host: str) -> socket.socket:
    """A bound UDP socket that waits for 2 s."""
    bound = machine.socket(socket.SOCK_DGRAM, socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.bind((host, 0))
    bound.settimeout(2)
    return bound


@pytest.mark.parametrize(("family", "client", "server"), WAYS)
def test_the_server_prefers_its_first_address_and_hears_at_both(
    routed: Routed, family: socket.AddressFamily, client: str, server: str
) -> None:
    everywhere = "0.0.0.0" if family == socket.AF_INET else "::"
    second = server[:-1] + "3"
    with udp(routed.client, client) as ours, udp(routed.server, everywhere) as theirs:
        ours.sendto(b"asked", (second, theirs.getsockname()[1]))
        heard, source = theirs.recvfrom(100)
        theirs.sendto(b"answered", source)
        answer, answered_by = ours.recvfrom(100)
    assert (heard, answer) == (b"asked", b"answered")
    assert answered_by[0] == server


async def test_a_target_and_an_application_on_two_machines(routed: Routed) -> None:
    async with target_on(routed.server, "10.0.2.2") as target:
        await traffic.echo(direct(routed.client, target.port, "10.0.2.2"), 100_000, within=10)


def test_a_machine_has_its_own_hosts_file_and_resolver(bed: Bed) -> None:
    machine = bed.machine("alone")
    machine.file("hosts", "192.0.2.7 elsewhere.example\n")
    machine.file("resolv.conf", "nameserver 192.0.2.53\n")
    found = machine.run("getent", "ahosts", "elsewhere.example")
    assert "192.0.2.7" in found
    assert machine.run("cat", "/etc/resolv.conf") == "nameserver 192.0.2.53\n"
    assert "elsewhere.example" not in Path("/etc/hosts").read_text()


def test_nothing_is_left_behind(bed: Bed) -> None:
    machine = bed.machine("passing")
    machine.file("hosts", "")
    namespace = Path("/proc/thread-self/ns/net")
    before = namespace.readlink()
    with machine.inside():
        assert namespace.readlink() != before
    assert namespace.readlink() == before
    bed.close()
    assert not (Path("/run/netns") / machine.namespace).exists()
    assert not (Path("/etc/netns") / machine.namespace).exists()


def test_a_black_hole_swallows_and_gives_back(routed: Routed) -> None:
    with udp(routed.client, "10.0.1.2") as ours, udp(routed.server, "10.0.2.2") as theirs:
        there = theirs.getsockname()
        routed.router.black_hole(on=True)
        ours.sendto(b"lost", there)
        routed.router.black_hole(on=False)
        ours.sendto(b"heard", there)
        assert theirs.recv(100) == b"heard"


def test_a_router_that_translates_gives_other_ports_when_asked_again(routed: Routed) -> None:
    with udp(routed.client, "10.0.1.2") as ours, udp(routed.server, "10.0.2.2") as theirs:
        seen = []
        for ports in (range(20_000, 20_010), range(30_000, 30_010)):
            routed.router.translate("server", ports)
            ours.sendto(b"who am I?", theirs.getsockname())
            _, source = theirs.recvfrom(100)
            seen.append(source)
            theirs.sendto(b"that", source)
            assert ours.recv(100) == b"that"
    assert [source[0] for source in seen] == ["10.0.2.1"] * 2
    assert seen[0][1] in range(20_000, 20_010)
    assert seen[1][1] in range(30_000, 30_010)


@pytest.mark.parametrize(("family", "client", "server"), WAYS)
def test_a_small_mtu_behind_the_router_is_told_unless_that_is_hidden(
    routed: Routed, family: socket.AddressFamily, client: str, server: str
) -> None:
    routed.router.mtu("server", 1280)
    routed.router.hide_icmp()
    with udp(routed.client, client) as ours, udp(routed.server, server) as theirs:
        ours.setsockopt(*DO_NOT_FRAGMENT[family], 2)
        ours.connect(theirs.getsockname()[:2])
        for _ in range(3):
            ours.send(bytes(1400))
        assert ours.getsockopt(*MTU_OF_A_SOCKET[family]) == 1500
        routed.router.hide_icmp(on=False)
        deadline = time.monotonic() + 10
        while ours.getsockopt(*MTU_OF_A_SOCKET[family]) != 1280:
            assert time.monotonic() < deadline
            with contextlib.suppress(OSError):  # too long, from now on
                ours.send(bytes(1400))


@pytest.mark.parametrize(("family", "client", "server"), WAYS)
def test_a_forged_icmp_error_is_believed(
    routed: Routed, family: socket.AddressFamily, client: str, server: str
) -> None:
    with udp(routed.client, client) as ours, udp(routed.server, server) as theirs:
        ours.connect(theirs.getsockname()[:2])
        ends = (ours.getsockname()[:2], theirs.getsockname()[:2])
        forge = forge_packet_too_big if family == socket.AF_INET6 else forge_fragmentation_needed
        assert ours.getsockopt(*MTU_OF_A_SOCKET[family]) == 1500
        forge(routed.router, ends, 1280)
        assert ours.getsockopt(*MTU_OF_A_SOCKET[family]) == 1280
