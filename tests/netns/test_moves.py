"""A client whose address, network or port changes in the middle of a transfer."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.netns.programs import SERVER_PORT, direct, kcptun_client, kcptun_server, target_on

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.boxes import Kcptun, Options
    from tests.netns.bed import Routed

SERVER = "10.0.2.2"
SIZE = 20_000_000
PORTS = 20
RANGE = f"{SERVER_PORT}-{SERVER_PORT + PORTS - 1}"
MODES: dict[str, Options] = {
    "auto": {"mode": "auto", "crypt": "aes-128-gcm"},
    "fast": {"mode": "fast", "crypt": "aes"},
    "null": {"mode": "auto", "crypt": "null"},
}


class Laptop:
    """The client's machine, which goes from one network to another."""

    def __init__(self, routed: Routed) -> None:
        self._routed = routed
        self._addresses = itertools.cycle(["10.0.1.7", "10.0.1.8", "10.0.1.2"])
        self._now = "10.0.1.2"

    def change_address(self) -> None:
        """Another address, and after that no longer the one before."""
        client, new = self._routed.client, next(self._addresses)
        client.ip("address", "del", f"{self._now}/24", "dev", "router")
        client.ip("address", "add", f"{new}/24", "dev", "router")
        client.gateway("10.0.1.1")
        self._now = new

    def lose_the_network(self) -> None:
        """No network at all, for half a second: whatever is sent fails."""
        client = self._routed.client
        client.ip("link", "set", "router", "down")

        def come_back() -> None:
            client.ip("link", "set", "router", "up")
            client.gateway("10.0.1.1")
            self.change_address()

        asyncio.get_running_loop().call_later(0.5, come_back)


@pytest.mark.parametrize("mode", MODES)
async def test_a_transfer_outlives_other_addresses_and_lost_networks(
    mode: str, routed: Routed, tmp_path: Path
) -> None:
    options, laptop = MODES[mode], Laptop(routed)
    async with target_on(routed.server) as target:
        far = kcptun_server(routed.server, "ours", tmp_path, target=target.port, options=options)
        near = kcptun_client(routed.client, "ours", tmp_path, remote=SERVER, options=options)
        async with far, near:
            connect = direct(routed.client)
            # One stream lives through all of it, and others are busy when something happens.
            dripping = asyncio.create_task(traffic.drip(connect, SIZE))
            changes = [laptop.change_address, laptop.lose_the_network, laptop.change_address]
            for change in changes:
                await traffic.changing_echo(connect, SIZE, change, within=30)
            await dripping
            assert far.log.count("remote address: ") == 1, "one session all the time"
            assert f"{SERVER} is reached from nowhere now" in near.log


@pytest.mark.parametrize("mode", MODES)
async def test_a_client_hops_over_twenty_ports(mode: str, routed: Routed, tmp_path: Path) -> None:
    options, ports = MODES[mode], set[int]()
    served = options | {"l": f":{RANGE}"}
    asks = options | {"r": f"{SERVER}:{RANGE}", "hop": "1s"}
    async with target_on(routed.server) as target:
        far = kcptun_server(routed.server, "ours", tmp_path, target=target.port, options=served)
        near = kcptun_client(routed.client, "ours", tmp_path, remote=SERVER, options=asks)
        async with far, near:
            async with asyncio.timeout(60):
                while len(ports) < 5:
                    await traffic.echo(direct(routed.client), SIZE // 3, within=30)
                    ports |= set(routed.client.udp_ports)
            assert far.log.count("remote address: ") == 1, "one session all the time"
            assert len(routed.client.udp_ports) <= 4


@pytest.mark.parametrize("server", ["theirs", "modern"])
async def test_towards_a_program_of_go_nothing_hops(
    server: Kcptun, routed: Routed, tmp_path: Path
) -> None:
    options: Options = {"mode": "fast", "crypt": "aes", "smuxver": 2}
    asks = options | {"r": f"{SERVER}:{RANGE}", "hop": "1s"}
    # The server has one port. Whoever asks another of the range is led there.
    to_range = ("-p", "udp", "--dport", RANGE.replace("-", ":"))
    to_server = ("-j", "DNAT", "--to-destination", f"{SERVER}:{SERVER_PORT}")
    rule = ("-t", "nat", "-A", "PREROUTING", *to_range, *to_server)
    routed.router.firewall(*rule, families=("iptables",))
    async with target_on(routed.server) as target:
        far = kcptun_server(routed.server, server, tmp_path, target=target.port, options=options)
        near = kcptun_client(routed.client, "ours", tmp_path, remote=SERVER, options=asks)
        async with far, near:
            await traffic.echo(direct(routed.client), 100_000, within=30)
            before = routed.client.udp_ports
            await near.wait_for_log("hop has no effect")
            await traffic.echo(direct(routed.client), 1_000_000, within=30)
            assert routed.client.udp_ports == before
