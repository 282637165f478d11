"""Machines with several addresses: a server answers from the one that was asked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, get_args

import pytest
import uvloop
from tests.interop.harness import traffic
from tests.interop.harness.boxes import Kcptun
from tests.netns.programs import (
    SERVER_PORT,
    blinksocks,
    direct,
    kcptun_client,
    kcptun_server,
    target_on,
)

from blinktun.address import Address
from blinktun.transports.tcp import TcpDialer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.interop.harness.boxes import Options, Presets
    from tests.netns.bed import Bed, Routed

SIZE = 2_000_000
PEERS: tuple[Kcptun, ...] = get_args(Kcptun)
WITH_OURS = [(one, other) for one in PEERS for other in PEERS if "ours" in {one, other}]
SECOND = ["10.0.2.3", "[2001:db8:2::3]"]
"""The addresses of the server that its system does not prefer."""
PRESETS: Presets = [
    {"name": "ss-base"},
    {"name": "ss-aead-cipher", "params": {"method": "aes-256-gcm"}},
]


def pass_on_only_the_second(routed: Routed) -> None:
    """Drop what comes from the address that the server's system prefers, as a NAT would."""
    for family, preferred in (("iptables", "10.0.2.2"), ("ip6tables", "2001:db8:2::2")):
        rule = ("-A", "FORWARD", "-p", "udp", "-s", preferred, "-j", "DROP")
        routed.router.firewall(*rule, families=(family,))


@pytest.mark.parametrize("asked", SECOND)
@pytest.mark.parametrize(("client", "server"), WITH_OURS)
async def test_a_server_is_reached_at_its_second_address(
    client: Kcptun, server: Kcptun, asked: str, routed: Routed, tmp_path: Path
) -> None:
    options: Options = {"mode": "fast3", "smuxver": 2}
    async with target_on(routed.server) as target:
        far = kcptun_server(routed.server, server, tmp_path, target=target.port, options=options)
        near = kcptun_client(routed.client, client, tmp_path, remote=asked, options=options)
        async with far, near:
            await traffic.echo(direct(routed.client), SIZE, within=30)


@pytest.mark.parametrize("asked", SECOND)
@pytest.mark.parametrize("crypt", ["null", "none", "aes-128-gcm"])
@pytest.mark.parametrize("server", ["ours", "modern"])
async def test_with_and_without_a_key(
    server: Kcptun, crypt: str, asked: str, routed: Routed, tmp_path: Path
) -> None:
    # Without a key our client believes another source only by the echo of its clock.
    options: Options = {"mode": "fast3", "smuxver": 2, "crypt": crypt}
    async with target_on(routed.server) as target:
        far = kcptun_server(routed.server, server, tmp_path, target=target.port, options=options)
        near = kcptun_client(routed.client, "ours", tmp_path, remote=asked, options=options)
        async with far, near:
            await traffic.echo(direct(routed.client), SIZE, within=30)


@pytest.mark.parametrize("asked", SECOND)
@pytest.mark.parametrize("workers", [1, 2])
async def test_our_server_answers_from_the_address_that_was_asked(
    workers: int, asked: str, routed: Routed, tmp_path: Path
) -> None:
    pass_on_only_the_second(routed)
    options: Options = {"mode": "fast3", "smuxver": 2}
    served = options | {"workers": workers}
    async with target_on(routed.server) as target:
        far = kcptun_server(routed.server, "ours", tmp_path, target=target.port, options=served)
        near = kcptun_client(routed.client, "theirs", tmp_path, remote=asked, options=options)
        async with far, near:
            await traffic.echo(direct(routed.client), SIZE, within=30)


@pytest.mark.parametrize("asked", SECOND)
async def test_disguised_as_tcp(asked: str, routed: Routed, tmp_path: Path) -> None:
    options: Options = {"mode": "fast3", "tcp": True}
    async with target_on(routed.server) as target:
        far = kcptun_server(routed.server, "ours", tmp_path, target=target.port, options=options)
        near = kcptun_client(routed.client, "ours", tmp_path, remote=asked, options=options)
        async with far, near:
            await traffic.echo(direct(routed.client), SIZE, within=30)


@pytest.mark.parametrize("asked", SECOND)
async def test_a_kcp_link_to_a_second_address(asked: str, routed: Routed, tmp_path: Path) -> None:
    pass_on_only_the_second(routed)
    common = {"key": "correct horse battery staple", "presets": PRESETS}
    server = common | {"service": f"kcp://[::]:{SERVER_PORT}"}
    client = {
        "service": "socks5://127.0.0.1:1080",
        "server": common | {"service": f"kcp://{asked}:{SERVER_PORT}"},
    }
    async with target_on(routed.server, "10.0.2.2") as target:
        far = blinksocks(routed.server, tmp_path, server, SERVER_PORT)
        near = blinksocks(routed.client, tmp_path, client, 1080)
        async with far, near:
            connect = traffic.through_socks5(direct(routed.client, 1080), target.port, "10.0.2.2")
            await traffic.echo(connect, SIZE, within=30)


async def test_the_client_may_ask_at_any_address_of_the_machine_itself(
    bed: Bed, tmp_path: Path
) -> None:
    machine = bed.machine("alone")
    async with target_on(machine) as target:
        far = kcptun_server(machine, "ours", tmp_path, target=target.port, options={})
        near = kcptun_client(machine, "ours", tmp_path, remote="127.0.0.2", options={})
        async with far, near:
            await traffic.echo(direct(machine), SIZE, within=30)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_dial_keeps_to_the_interface_that_the_scope_names(
    new_loop: Callable[[], asyncio.AbstractEventLoop], routed: Routed
) -> None:
    """Every interface has a network ``fe80::/64``; without a scope the system cannot choose."""
    routed.server.address("router", "fe80::77/64")
    with routed.server.inside():
        listening = socket.create_server(("::", 0), family=socket.AF_INET6)
    where = Address("fe80::77%server", listening.getsockname()[1])
    with listening, routed.router.inside(), contextlib.closing(new_loop()) as loop:
        stream = loop.run_until_complete(TcpDialer().connect(where))
        accepted, peer = listening.accept()
        with accepted, routed.server.inside():
            assert peer[3] == socket.if_nametoindex("router")
        loop.run_until_complete(stream.aclose())
