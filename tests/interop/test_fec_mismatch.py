"""FEC towards Go's program of 2021, which garbles what other numbers than its own protect.

Its own programs with these settings lose whole sessions: a wrong byte, a stream that never ends.
"""

from __future__ import annotations

import asyncio
import re
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.interop.harness import traffic
from tests.interop.harness.boxes import Kcptun, Options, kcptun_client, kcptun_server
from tests.interop.harness.lossy import lossy_path
from tests.interop.harness.together import all_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.interop.harness.processes import Program
    from tests.interop.harness.target import Target

Shards = tuple[int, int]

MEGABYTES = 5_000_000
STREAMS, STREAM = 20, 20_000
LOSS = 0.08
PATIENCE = 50.0
OFF = "error correction towards it is off"
FAST: Options = {"mode": "fast3", "crypt": "none", "sndwnd": 1024, "rcvwnd": 1024, "quiet": True}


@dataclass(frozen=True)
class Case:
    """Which end is ours, and both ends' numbers."""

    ours: Shards
    theirs: Shards
    client: Kcptun


def cases(*pairs: tuple[Shards, Shards]) -> list[Case]:
    clients: list[Kcptun] = ["ours", "theirs"]
    return [Case(ours, theirs, client) for ours, theirs in pairs for client in clients]


async def test_different_numbers_spoil_nothing(target: Target, tmp_path: Path) -> None:
    different = cases(
        ((4, 2), (10, 3)),
        ((10, 3), (4, 2)),
        ((10, 3), (0, 0)),
        ((0, 0), (10, 3)),
        ((20, 5), (3, 1)),
    )

    async def check(case: Case) -> None:
        async with pair(case, target, tmp_path) as (ours, theirs):
            await carry(ours if case.client == "ours" else theirs)
            data, parity = case.theirs
            told = f"uses datashard {data} parityshard {parity}, here" if data else "uses no FEC"
            await ours.wait_for_log(OFF)
            (line,) = [line for line in ours.log.splitlines() if OFF in line]
            assert told in line
            # Nothing that could be garbled came to it.
            assert await counter(theirs, "FECParityShards") == 0

    await all_of(check, different)


async def test_equal_numbers_are_used(target: Target, tmp_path: Path) -> None:
    async def check(case: Case) -> None:
        async with pair(case, target, tmp_path) as (ours, theirs):
            await carry(ours if case.client == "ours" else theirs)
            assert await counter(theirs, "FECParityShards") > 100
            assert await counter(theirs, "FECRecovered") > 10
            assert OFF not in ours.log

    await all_of(check, cases(((10, 3), (10, 3)), ((4, 2), (4, 2))))


@asynccontextmanager
async def pair(case: Case, target: Target, folder: Path) -> AsyncIterator[tuple[Program, Program]]:
    """Our program and theirs, with a lossy path between; ours first."""
    server: Kcptun = "theirs" if case.client == "ours" else "ours"
    shards = {"ours": case.ours, "theirs": case.theirs}
    far = kcptun_server(server, folder, target=target.port, options=options(shards[server]))
    async with far:
        with lossy_path(far.port, LOSS, seed=str(case)) as middle:
            near = kcptun_client(
                case.client, folder, server=middle.port, options=options(shards[case.client])
            )
            async with near:
                yield (near, far) if case.client == "ours" else (far, near)
                assert middle.lost > 100


def options(shards: Shards) -> Options:
    data, parity = shards
    return FAST | {"datashard": data, "parityshard": parity}


async def carry(client: Program) -> None:
    """Much both ways and many short streams, all checked by hash or byte for byte."""
    connect = traffic.direct(client.port)
    async with asyncio.TaskGroup() as group:
        group.create_task(traffic.upload(connect, MEGABYTES, within=PATIENCE))
        group.create_task(traffic.download(connect, MEGABYTES, within=PATIENCE))
        for number in range(STREAMS):
            group.create_task(traffic.echo(connect, STREAM, number * 997, within=PATIENCE))
    for number in range(3):
        await traffic.echo(connect, STREAM, number * 991, within=PATIENCE)


async def counter(theirs: Program, name: str) -> int:
    """One of Go's counters, which it prints at SIGUSR1."""
    theirs.signal(signal.SIGUSR1)
    await theirs.wait_for_log(name)
    return int(re.findall(rf"{name}:(\d+)", theirs.log)[-1])
