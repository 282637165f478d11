"""Our kcptun against Go's, over every combination of what shapes the wire."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import Kcptun, Options, kcptun_pair
from tests.interop.harness.together import all_of
from tests.interop.harness.traffic import direct

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.target import Target

CRYPTS = ("none", "aes", "aes-128", "aes-192", "xor", "salsa20")
SHARDS = ((0, 0), (10, 3), (3, 7))
SIZES = (1, 7, 1_000, 1_326, 8_193, 65_536, 200_000)
"""Bytes of the concurrent streams: around one segment, one frame, and beyond."""

MIXED: list[tuple[Kcptun, Kcptun]] = [("ours", "theirs"), ("theirs", "ours")]
ORIGINALS: list[Kcptun] = ["theirs", "modern"]
ALL = [*MIXED, ("ours", "ours")]
FAST: Options = {"mode": "fast3", "sndwnd": 2048, "rcvwnd": 2048, "quiet": True}


@pytest.mark.parametrize("crypt", CRYPTS)
@pytest.mark.parametrize(("client", "server"), ALL)
async def test_every_combination_carries_streams(
    client: Kcptun, server: Kcptun, crypt: str, target: Target, tmp_path: Path
) -> None:
    await _check_combinations(client, server, crypt, target, tmp_path)


async def test_crypt_null_carries_streams(target: Target, tmp_path: Path) -> None:
    # The Go program of 2021 does not know it.
    await _check_combinations("ours", "ours", "null", target, tmp_path)


@pytest.mark.parametrize("client", ORIGINALS)
@pytest.mark.parametrize("server", ORIGINALS)
async def test_the_originals_understand_each_other(
    client: Kcptun, server: Kcptun, target: Target, tmp_path: Path
) -> None:
    # The control: if this fails, the fault is not in our programs.
    options = FAST | {"crypt": "aes", "datashard": 10, "parityshard": 3, "smuxver": 2}
    async with kcptun_pair(client, server, target.port, tmp_path, options) as near:
        await _streams(direct(near.port))


@pytest.mark.parametrize("count", [7, 61])
@pytest.mark.parametrize("crypt", ["aes-128-gcm", "null", "aes"])
async def test_the_modern_kinds_between_modern_peers(
    crypt: str, count: int, target: Target, tmp_path: Path
) -> None:
    options = FAST | {"crypt": crypt, "QPP": True, "QPPCount": count}
    async with kcptun_pair("modern", "modern", target.port, tmp_path, options) as near:
        await _streams(direct(near.port))


@pytest.mark.parametrize("crypt", CRYPTS)
@pytest.mark.parametrize(("client", "server"), [("ours", "modern"), ("modern", "ours")])
async def test_the_modern_peer(
    client: Kcptun, server: Kcptun, crypt: str, target: Target, tmp_path: Path
) -> None:
    await _check_combinations(client, server, crypt, target, tmp_path)


@pytest.mark.parametrize("size", [1, 1_000, 65_536, 5_000_000])
@pytest.mark.parametrize("smuxver", [1, 2])
@pytest.mark.parametrize(("client", "server"), ALL)
async def test_sizes_up_and_down(
    client: Kcptun, server: Kcptun, smuxver: int, size: int, target: Target, tmp_path: Path
) -> None:
    options = FAST | {"crypt": "aes", "smuxver": smuxver}
    async with kcptun_pair(client, server, target.port, tmp_path, options) as near:
        await traffic.upload(direct(near.port), size)
        await traffic.download(direct(near.port), size)
        await traffic.echo(direct(near.port), size)


@pytest.mark.parametrize("shards", [(0, 0), (10, 3)], ids=["plain", "fec"])
@pytest.mark.parametrize(("client", "server"), ALL)
async def test_fifty_megabytes(
    client: Kcptun, server: Kcptun, shards: tuple[int, int], target: Target, tmp_path: Path
) -> None:
    data, parity = shards
    options = FAST | {"crypt": "none", "datashard": data, "parityshard": parity, "nocomp": True}
    async with kcptun_pair(client, server, target.port, tmp_path, options) as near:
        await traffic.download(direct(near.port), 50_000_000)
        await traffic.upload(direct(near.port), 50_000_000)


async def _check_combinations(
    client: Kcptun, server: Kcptun, crypt: str, target: Target, folder: Path
) -> None:
    async def check(options: Options) -> None:
        async with kcptun_pair(client, server, target.port, folder, options) as near:
            await _streams(direct(near.port))

    await all_of(
        check,
        [
            FAST
            | {"crypt": crypt, "datashard": data, "parityshard": parity, "smuxver": smuxver}
            | {"nocomp": nocomp}
            for (data, parity), smuxver, nocomp in itertools.product(SHARDS, (1, 2), (False, True))
        ],
    )


async def _streams(connect: traffic.Connect) -> None:
    async with asyncio.TaskGroup() as group:
        for number, size in enumerate(SIZES):
            group.create_task(traffic.echo(connect, size, start=number * 10_007, within=20))
