"""What the system refuses to send: it concerns one destination, and transfers go on."""

from __future__ import annotations

import asyncio
import re
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import peers, traffic
from tests.netns.icmp import forge_fragmentation_needed, forge_packet_too_big
from tests.netns.programs import (
    SERVER_PORT,
    direct,
    kcptun_client,
    kcptun_server,
    target_on,
)
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.interop.harness.boxes import Options
    from tests.interop.harness.processes import Program
    from tests.netns.bed import Bed, Routed
    from tests.netns.machine import Machine

OPTIONS: Options = {"mode": "fast3", "crypt": "aes-128-gcm", "sndwnd": 1024, "rcvwnd": 1024}
SIZE, WITHIN = 16_000_000, 100.0
"""Bytes that go to the target and back, and the seconds that they may take."""
LOOPBACK = ["127.0.0.1", "[::1]"]
SERVERS = [("10.0.1.2", "10.0.2.2"), ("2001:db8:1::2", "2001:db8:2::2")]


@asynccontextmanager
async def tunnel(
    client: Machine, server: Machine, remote: str, folder: Path, **more: str | int | bool
) -> AsyncIterator[tuple[Program, Program]]:
    """Our client and our server, with a target on the server's machine."""
    options: Options = OPTIONS | more
    async with target_on(server) as target:
        far = kcptun_server(server, "ours", folder, target=target.port, options=options)
        near = kcptun_client(client, "ours", folder, remote=remote, options=options)
        async with far, near:
            yield near, far


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@pytest.mark.parametrize("host", LOOPBACK)
@pytest.mark.parametrize("tcp", [False, True])
async def test_the_mtu_of_the_interface_falls(
    tcp: bool, host: str, bed: Bed, tmp_path: Path
) -> None:
    machine = bed.machine("alone")

    def fall() -> None:
        machine.mtu("lo", 1280)

    async with tunnel(machine, machine, host, tmp_path, tcp=tcp):
        await traffic.changing_echo(direct(machine), SIZE, fall, WITHIN)


async def test_the_kernel_s_queue_is_full(bed: Bed, tmp_path: Path) -> None:
    machine = bed.machine("alone")
    # What waits for this rate counts as the socket's, so that its buffer is full.
    rate = ("tbf", "rate", "100mbit", "burst", "256k", "limit", "20m")
    machine.run("tc", "qdisc", "add", "dev", "lo", "root", *rate)
    async with tunnel(machine, machine, LOOPBACK[0], tmp_path, sockbuf=60_000):
        await traffic.changing_echo(direct(machine), SIZE, lambda: None, WITHIN)


@pytest.mark.parametrize("behind", ["client", "server"])
@pytest.mark.parametrize("server", [server for _, server in SERVERS])
async def test_the_mtu_behind_the_router_falls(
    server: str, behind: str, routed: Routed, tmp_path: Path
) -> None:
    def fall() -> None:
        routed.router.mtu(behind, 1280)

    async with tunnel(routed.client, routed.server, bracketed(server), tmp_path):
        await traffic.changing_echo(direct(routed.client), SIZE, fall, WITHIN)


async def test_the_mtu_behind_a_router_that_says_nothing(routed: Routed, tmp_path: Path) -> None:
    # Without the bit that forbids it a router of IPv4 cuts what is too long; one of IPv6 may not.
    def fall() -> None:
        routed.router.mtu("server", 1280)

    routed.router.hide_icmp()
    async with tunnel(routed.client, routed.server, "10.0.2.2", tmp_path):
        await traffic.changing_echo(direct(routed.client), SIZE, fall, WITHIN)


@pytest.mark.parametrize(("client", "server"), SERVERS)
async def test_a_forged_icmp_error(
    client: str, server: str, routed: Routed, tmp_path: Path
) -> None:
    is_v6 = ":" in client
    forge, mtu = (forge_packet_too_big, 1280) if is_v6 else (forge_fragmentation_needed, 576)

    def lie_to_both() -> None:
        for port in routed.client.udp_ports:
            ends = ((client, port), (server, SERVER_PORT))
            forge(routed.router, ends, mtu)
            forge(routed.router, ends[::-1], mtu)

    async with tunnel(routed.client, routed.server, bracketed(server), tmp_path):
        await traffic.changing_echo(direct(routed.client), SIZE, lie_to_both, WITHIN)


async def test_a_route_that_takes_no_runs(routed: Routed, tmp_path: Path) -> None:
    # The firewall sees a run as one long packet.
    rule = ("OUTPUT", "-p", "udp", "-m", "length", "--length", "1600:65535", "-j", "DROP")

    def forbid() -> None:
        routed.client.run(peers.system("iptables"), "-w", "5", "-A", *rule)

    async with tunnel(routed.client, routed.server, "10.0.2.2", tmp_path):
        await traffic.changing_echo(direct(routed.client), SIZE, forbid, WITHIN)


async def test_a_route_that_goes_and_comes_back(routed: Routed, tmp_path: Path) -> None:
    async with tunnel(routed.client, routed.server, "10.0.2.2", tmp_path) as (near, far):
        changed = asyncio.Event()

        def forget() -> None:
            for machine in (routed.client, routed.server):
                machine.ip("-4", "route", "delete", "default")
            changed.set()

        echo = traffic.changing_echo(direct(routed.client), SIZE, forget, WITHIN)
        transfer = asyncio.create_task(echo)
        await changed.wait()
        while not (await counter(near, "OutErrs") and await counter(far, "OutErrs")):
            assert not transfer.done()
        routed.client.gateway("10.0.1.1")
        routed.server.gateway("10.0.2.1")
        await transfer


@pytest.fixture
def star(bed: Bed) -> tuple[Machine, Machine, Machine]:
    """A server and two clients on cables of their own; the MTU of the first is 1280."""
    server, narrow, wide = (bed.machine(name) for name in ("server", "narrow", "wide"))
    for client, net, mtu in ((narrow, 1, 1280), (wide, 2, 1500)):
        bed.cable(server, client, mtu)
        server.address(client.name, f"10.0.{net}.1/24")
        client.address("server", f"10.0.{net}.2/24")
    return server, narrow, wide


async def test_runs_are_kept_for_all_others(
    star: tuple[Machine, Machine, Machine], tmp_path: Path
) -> None:
    server, narrow, wide = star
    async with target_on(server) as target:
        far = kcptun_server(server, "ours", tmp_path, target=target.port, options=OPTIONS)
        async with far:
            for client, remote in ((narrow, "10.0.1.1"), (wide, "10.0.2.1")):
                near = kcptun_client(client, "ours", tmp_path, remote=remote, options=OPTIONS)
                async with near:
                    await traffic.download(direct(client), SIZE, within=WITHIN)
    size = {}
    for client in (narrow, wide):
        sent, packets = server.sent(client.name)
        size[client.name] = sent / packets
    assert size["narrow"] < 1300
    assert size["wide"] > 3000  # a run of several datagrams is one packet here


async def test_what_is_refused_is_counted_and_harms_nobody_else(
    star: tuple[Machine, Machine, Machine], tmp_path: Path
) -> None:
    server, narrow, wide = star
    rule = ("OUTPUT", "-d", "10.0.1.2", "-p", "udp", "-j", "DROP")
    firewall = (peers.system("iptables"), "-w", "5")
    async with target_on(server) as target:
        far = kcptun_server(server, "ours", tmp_path, target=target.port, options=OPTIONS)
        first = kcptun_client(narrow, "ours", tmp_path, remote="10.0.1.1", options=OPTIONS)
        second = kcptun_client(wide, "ours", tmp_path, remote="10.0.2.1", options=OPTIONS)
        async with far, first, second:
            forbidden = asyncio.Event()

            def forbid() -> None:
                server.run(*firewall, "-I", *rule)
                forbidden.set()

            echo = traffic.changing_echo(direct(narrow), SIZE, forbid, WITHIN)
            refused = asyncio.create_task(echo)
            await forbidden.wait()
            await traffic.download(direct(wide), SIZE, within=WITHIN)
            assert await counter(far, "OutErrs") > 0
            assert not refused.done()
            server.run(*firewall, "-D", *rule)
            await refused
            assert await counter(far, "CurrEstab") == 2


async def counter(program: Program, name: str) -> int:
    """A counter, as SIGUSR1 makes the program print it."""
    before = program.log.count("blinktun SNMP:")
    program.signal(signal.SIGUSR1)
    await until(lambda: program.log.count("blinktun SNMP:") > before)
    found = re.findall(rf"\b{name}:(\d+)", program.log)
    return int(found[-1])
