"""Our kcptun against Go's, over every combination of what shapes the wire."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import Kcptun, Options, kcptun_client, kcptun_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.interop.harness.target import Target

CRYPTS = ("none", "aes", "aes-128", "aes-192", "xor", "salsa20")
SHARDS = ((0, 0), (10, 3), (3, 7))
SIZES = (1, 7, 1_000, 1_326, 8_193, 65_536, 200_000)
"""Bytes of the concurrent streams: around one segment, one frame, and beyond."""

MIXED: list[tuple[Kcptun, Kcptun]] = [("ours", "theirs"), ("theirs", "ours")]
ALL = [*MIXED, ("ours", "ours")]
FAST: Options = {"mode": "fast3", "sndwnd": 2048, "rcvwnd": 2048, "quiet": True}

# Two programs of each pair share the machine with this process; more at once only wait.
_AT_ONCE = 3


@pytest.mark.parametrize("crypt", CRYPTS)
@pytest.mark.parametrize(("client", "server"), ALL)
async def test_every_combination_carries_streams(
    client: Kcptun, server: Kcptun, crypt: str, target: Target, tmp_path: Path
) -> None:
    await _check_combinations(client, server, crypt, target, tmp_path)


async def test_crypt_null_carries_streams(target: Target, tmp_path: Path) -> None:
    # The Go program of 2021 does not know it.
    await _check_combinations("ours", "ours", "null", target, tmp_path)


async def test_the_originals_understand_each_other(target: Target, tmp_path: Path) -> None:
    # The control: if this fails, the fault is not in our programs.
    options = FAST | {"crypt": "aes", "datashard": 10, "parityshard": 3, "smuxver": 2}
    async with pair("theirs", "theirs", target, tmp_path, options) as connect:
        await _streams(connect)


@pytest.mark.parametrize("size", [1, 1_000, 65_536, 5_000_000])
@pytest.mark.parametrize("smuxver", [1, 2])
@pytest.mark.parametrize(("client", "server"), ALL)
async def test_sizes_up_and_down(
    client: Kcptun, server: Kcptun, smuxver: int, size: int, target: Target, tmp_path: Path
) -> None:
    options = FAST | {"crypt": "aes", "smuxver": smuxver}
    async with pair(client, server, target, tmp_path, options) as connect:
        await traffic.upload(connect, size)
        await traffic.download(connect, size)
        await traffic.echo(connect, size)


@pytest.mark.parametrize("shards", [(0, 0), (10, 3)], ids=["plain", "fec"])
@pytest.mark.parametrize(("client", "server"), ALL)
async def test_fifty_megabytes(
    client: Kcptun, server: Kcptun, shards: tuple[int, int], target: Target, tmp_path: Path
) -> None:
    data, parity = shards
    options = FAST | {"crypt": "none", "datashard": data, "parityshard": parity, "nocomp": True}
    async with pair(client, server, target, tmp_path, options) as connect:
        await traffic.download(connect, 50_000_000)
        await traffic.upload(connect, 50_000_000)


@asynccontextmanager
async def pair(
    client: Kcptun, server: Kcptun, target: Target, folder: Path, options: Options
) -> AsyncIterator[traffic.Connect]:
    far = kcptun_server(server, folder, target=target.port, options=options)
    near = kcptun_client(client, folder, server=far.port, options=options)
    async with far, near:
        yield traffic.direct(near.port)


async def _check_combinations(
    client: Kcptun, server: Kcptun, crypt: str, target: Target, folder: Path
) -> None:
    room = asyncio.Semaphore(_AT_ONCE)

    async def check(shards: tuple[int, int], smuxver: int, nocomp: bool) -> None:
        options: Options = FAST | {"crypt": crypt, "smuxver": smuxver, "nocomp": nocomp}
        options |= {"datashard": shards[0], "parityshard": shards[1]}
        async with room:
            try:
                async with pair(client, server, target, folder, options) as connect:
                    await _streams(connect)
            except Exception as error:
                error.add_note(f"with {options}")
                raise

    async with asyncio.TaskGroup() as group:
        for combination in itertools.product(SHARDS, (1, 2), (False, True)):
            group.create_task(check(*combination))


async def _streams(connect: traffic.Connect) -> None:
    async with asyncio.TaskGroup() as group:
        for number, size in enumerate(SIZES):
            group.create_task(traffic.echo(connect, size, start=number * 10_007, within=20))
