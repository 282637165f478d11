"""Datagrams disguised as TCP segments: ours and the Go program of 2021, on loopback, as root."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import peers, traffic
from tests.interop.harness.boxes import flags, kcptun_client, kcptun_server
from tests.interop.harness.ports import free_port, is_listening
from tests.interop.harness.traffic import direct

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.boxes import Kcptun, Options
    from tests.interop.harness.processes import Program
    from tests.interop.harness.target import Target

OPTIONS: Options = {"mode": "fast3", "tcp": True}
PLAIN: Options = {"mode": "fast3"}
SIZE = 5_000_000
PAIRS: list[tuple[Kcptun, Kcptun]] = [("ours", "ours"), ("ours", "theirs"), ("theirs", "ours")]


def rules(*ports: int) -> list[str]:
    """The firewall's rules that name one of these ports."""
    lines = []
    for tool in ("iptables", "ip6tables"):
        argv: list[str | Path] = [peers.system(tool), "-w", "5", "-S", "OUTPUT"]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        lines += done.stdout.splitlines()
    words = {str(port) for port in ports}
    return [line for line in lines if words & set(line.split())]


async def end(*programs: Program) -> None:
    """Ask for an orderly end, and wait for it."""
    for program in programs:
        program.terminate()
        assert await program.exit_code(15) == 0  # a stream of a dead session has its 10 s


@pytest.mark.parametrize(("client", "server"), PAIRS)
async def test_bytes_both_ways(
    client: Kcptun, server: Kcptun, target: Target, tmp_path: Path
) -> None:
    far = kcptun_server(server, tmp_path, target=target.port, options=OPTIONS)
    near = kcptun_client(client, tmp_path, server=far.port, options=OPTIONS)
    async with far, near:
        await traffic.upload(direct(near.port), SIZE)
        await traffic.download(direct(near.port), SIZE)
        await traffic.echo(direct(near.port), SIZE)
        ours = [program for program, who in ((near, client), (far, server)) if who == "ours"]
        assert any(f"port {far.port} " in line for line in rules(far.port))
        await end(*ours)
        if len(ours) == 2:
            assert rules(far.port) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_a_server_for_all_addresses_serves_both_kinds(
    host: str, target: Target, tmp_path: Path
) -> None:
    everywhere: Options = {"l": f":{free_port()}"}
    port = int(str(everywhere["l"])[1:])
    far = kcptun_server(
        "ours", tmp_path, target=target.port, options=OPTIONS | everywhere, port=port
    )
    remote: Options = {"r": f"{host}:{port}"}
    disguised = kcptun_client("ours", tmp_path, server=port, options=OPTIONS | remote)
    plain = kcptun_client("ours", tmp_path, server=port, options=PLAIN | remote)
    async with far, disguised, plain, asyncio.TaskGroup() as group:
        for near in (disguised, plain):
            group.create_task(traffic.echo(direct(near.port), SIZE))
            group.create_task(traffic.download(direct(near.port), SIZE))


async def test_rules_are_those_of_living_programs(target: Target, tmp_path: Path) -> None:
    far = kcptun_server("ours", tmp_path, target=target.port, options=OPTIONS)
    near = kcptun_client("ours", tmp_path, server=far.port, options=OPTIONS | {"conn": 2})
    async with far, near:
        assert len(rules(far.port)) == 1
        for _ in range(2):
            await traffic.echo(direct(near.port), 1000)
        assert len(rules(far.port)) == 3
        await end(near)
        assert len(rules(far.port)) == 1
        await end(far)
        assert rules(far.port) == []


async def test_a_killed_server_is_found_again(target: Target, tmp_path: Path) -> None:
    far = kcptun_server("ours", tmp_path, target=target.port, options=OPTIONS)
    near = kcptun_client("ours", tmp_path, server=far.port, options=OPTIONS)
    async with far, near:
        await traffic.echo(direct(near.port), 1000)
        far.kill()
        assert len(rules(far.port)) == 2  # its own and the client's
        await far.start()
        async with asyncio.timeout(20):
            while True:
                try:
                    await traffic.echo(direct(near.port), 1000, within=2)
                except (OSError, AssertionError, asyncio.IncompleteReadError):
                    continue
                break
        await end(near, far)
    assert rules(far.port) == []


@pytest.mark.parametrize("command", ["kcptun-server", "kcptun-client"])
async def test_without_rights_nothing_listens(command: str, tmp_path: Path) -> None:
    port = free_port()
    own: Options = {"l": f"127.0.0.1:{port}", "tcp": True}
    own |= {"r": "127.0.0.1:9"} if command == "kcptun-client" else {"t": "127.0.0.1:9"}
    for lacking, told in [("net_raw", "raw sockets"), ("net_admin", "iptables: ")]:
        done = run_ours(command, own, tmp_path, "setpriv", "--bounding-set", f"-{lacking}")
        assert done.returncode == 1, done.stderr
        assert told in done.stderr
        assert "CAP_NET_RAW and CAP_NET_ADMIN" in done.stderr
        assert "listening" not in done.stderr
        assert not is_listening(port, "tcp")
    assert rules(port, 9) == []


async def test_a_taken_port_leaves_no_rule(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        port = free_port()  # one of the system's choice may be that of a TCP connection
        taken.bind(("127.0.0.1", port))
        own: Options = {"l": f"127.0.0.1:{port}", "t": "127.0.0.1:9", "tcp": True}
        done = run_ours("kcptun-server", own, tmp_path)
    assert done.returncode == 1
    assert f"cannot listen on udp 127.0.0.1:{port}: Address already in use" in done.stderr
    assert rules(port) == []


def run_ours(
    command: str, options: Options, folder: Path, *before: str
) -> subprocess.CompletedProcess[str]:
    """Run one of our programs that ends by itself."""
    argv: list[str | Path] = [*before, peers.ours(command), *flags(options)]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=15, check=False)
