"""Ends are truthful, and a tunnel heals: restarts, orderly shutdown, half-closed streams."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import (
    Kcptun,
    Link,
    Options,
    Presets,
    bs_client,
    bs_pair,
    bs_server,
    kcptun_client,
    kcptun_pair,
    kcptun_server,
)
from tests.interop.harness.picture import BOXES, example_program, move_examples
from tests.interop.harness.traffic import direct, socks5

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.processes import Program
    from tests.interop.harness.target import Target

OPTIONS: Options = {"mode": "fast3", "crypt": "aes", "smuxver": 2}
PRESETS: Presets = [
    {"name": "ss-base"},
    {"name": "ss-aead-cipher", "params": {"method": "aes-256-gcm"}},
]
ENDLESS = 1 << 40
HEALING: list[tuple[Kcptun, float]] = [("ours", 1.0), ("theirs", 3.0)]
"""The server, and the seconds after which new connections must work again."""


@pytest.mark.parametrize(("server", "healed_within"), HEALING)
async def test_a_killed_server_resets_streams_and_new_ones_work(
    server: Kcptun, healed_within: float, target: Target, tmp_path: Path
) -> None:
    far = kcptun_server(server, tmp_path, target=target.port, options=OPTIONS)
    near = kcptun_client("ours", tmp_path, server=far.port, options=OPTIONS)
    async with far, near, asyncio.timeout(40), asyncio.TaskGroup() as group:
        connect = direct(near.port)
        transfers = [
            *(group.create_task(traffic.ending(connect, f"DRIP {ENDLESS} 0")) for _ in range(5)),
            *(
                group.create_task(traffic.ending(connect, f"ECHO {ENDLESS}", sends=True))
                for _ in "12"
            ),
            *(
                group.create_task(traffic.ending(connect, f"UP {ENDLESS}", sends=True))
                for _ in "12"
            ),
        ]
        await asyncio.sleep(0.7)
        assert not any(transfer.done() for transfer in transfers), "the transfers did not run"
        far.kill()
        await far.start()
        clock = asyncio.get_running_loop().time
        back = clock()
        healed = await _seconds_until_it_works(connect)
        assert healed < healed_within
        async with asyncio.timeout(10):
            endings = await asyncio.gather(*transfers)
        print(f"{server} server: works after {healed:.2f} s, last end at {clock() - back:.2f} s")
    assert set(endings) == {"ConnectionResetError"}


@pytest.mark.parametrize(("server", "healed_within"), HEALING)
async def test_an_idle_tunnel_survives_a_server_restart(
    server: Kcptun, healed_within: float, target: Target, tmp_path: Path
) -> None:
    far = kcptun_server(server, tmp_path, target=target.port, options=OPTIONS)
    near = kcptun_client("ours", tmp_path, server=far.port, options=OPTIONS)
    async with far, near:
        await traffic.echo(direct(near.port), 1_000)
        far.kill()
        await asyncio.sleep(0.5)
        await far.start()
        healed = await _seconds_until_it_works(direct(near.port))
        print(f"{server} server, idle tunnel: works after {healed:.2f} s")
        assert healed < healed_within


async def test_a_killed_client_may_come_back(target: Target, tmp_path: Path) -> None:
    async with kcptun_pair("ours", "ours", target.port, tmp_path, OPTIONS) as near:
        transfer = asyncio.create_task(traffic.ending(direct(near.port), f"DRIP {ENDLESS} 0"))
        await asyncio.sleep(0.5)
        near.kill()
        await transfer
        await near.start()
        await traffic.echo(direct(near.port), 1_000, within=1)


@pytest.mark.parametrize(("server", "healed_within"), HEALING)
async def test_the_client_may_start_first(
    server: Kcptun, healed_within: float, target: Target, tmp_path: Path
) -> None:
    far = kcptun_server(server, tmp_path, target=target.port, options=OPTIONS)
    near = kcptun_client("ours", tmp_path, server=far.port, options=OPTIONS)
    async with near:
        early = asyncio.create_task(traffic.ending(direct(near.port), "DOWN 1000 0"))
        await asyncio.sleep(2)
        async with far:
            assert await _seconds_until_it_works(direct(near.port)) < healed_within
            early.cancel()
            await asyncio.wait([early])
    # It may have been served late or reset, but it was never told a clean end.
    assert early.cancelled() or early.result() == "ConnectionResetError"


@pytest.mark.parametrize("ended", ["client", "server"])
async def test_sigterm_lets_kcptun_streams_finish(
    ended: str, target: Target, tmp_path: Path
) -> None:
    far = kcptun_server("ours", tmp_path, target=target.port, options=OPTIONS)
    near = kcptun_client("ours", tmp_path, server=far.port, options=OPTIONS)
    async with far, near:
        await _terminate_during_a_transfer(far if ended == "server" else near, direct(near.port))


@pytest.mark.parametrize("ended", ["client", "server"])
async def test_sigterm_lets_blinksocks_connections_finish(
    ended: str, target: Target, tmp_path: Path
) -> None:
    link = Link(PRESETS)
    far, near = bs_server("ours", tmp_path, link), bs_client("ours", tmp_path, link)
    async with far, near:
        connect = socks5(near.port, target.port)
        await _terminate_during_a_transfer(far if ended == "server" else near, connect)


@pytest.mark.parametrize("box", BOXES)
async def test_sigterm_ends_an_idle_program_at_once(box: str, tmp_path: Path) -> None:
    move_examples(tmp_path)
    async with example_program("ours", box, tmp_path) as program:
        program.terminate()
        assert await program.exit_code(within=2) == 0


@pytest.mark.parametrize(
    ("client", "server"), [("ours", "ours"), ("ours", "modern"), ("modern", "ours")]
)
async def test_half_close_passes_the_tunnel(
    client: Kcptun, server: Kcptun, target: Target, tmp_path: Path
) -> None:
    # Not with the Go program of 2021: it closes both directions at once.
    options = OPTIONS | {"closewait": 0}
    async with kcptun_pair(client, server, target.port, tmp_path, options) as near:
        await _half_close(direct(near.port), target)


async def test_half_close_passes_the_proxy(target: Target, tmp_path: Path) -> None:
    async with bs_pair("ours", "ours", tmp_path, Link(PRESETS)) as near:
        await _half_close(socks5(near.port, target.port), target)


async def _half_close(connect: traffic.Connect, target: Target) -> None:
    for size in (0, 1, 3_000_000):
        await traffic.upload_to_eof(connect, size, within=20)
        await traffic.upload_after_eof(connect, size, within=20)
    async with asyncio.timeout(5):
        while len(target.ends) < target.accepted:
            await asyncio.sleep(0.01)
    assert set(target.ends) == {"eof"}


async def _terminate_during_a_transfer(program: Program, connect: traffic.Connect) -> None:
    slow = asyncio.create_task(traffic.drip(connect, 6_000_000, within=20))
    await asyncio.sleep(0.5)
    program.terminate()
    if program.protocol == "tcp":
        # A UDP port stays: the streams that finish still need it.
        await asyncio.sleep(0.3)
        assert not program.is_listening, "it still takes new connections"
    await slow
    assert await program.exit_code(within=5) == 0


async def _seconds_until_it_works(connect: traffic.Connect, limit: float = 20.0) -> float:
    clock = asyncio.get_running_loop().time
    began = clock()
    while clock() - began < limit:
        try:
            await traffic.echo(connect, 1_000, within=0.25)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, AssertionError):
            await asyncio.sleep(0.02)
        else:
            break
    return clock() - began
