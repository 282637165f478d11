"""QPP: permutation pads over the streams, at both ends or at neither."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import Kcptun, kcptun_pair
from tests.interop.harness.traffic import direct

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.boxes import Options
    from tests.interop.harness.target import Target

OPTIONS: Options = {"mode": "fast3", "sndwnd": 2048, "rcvwnd": 2048, "quiet": True, "QPP": True}
PAIRS: list[tuple[Kcptun, Kcptun]] = [("ours", "ours")]
SIZES = (1, 7, 4_097, 65_536, 200_000)


@pytest.mark.parametrize("smuxver", [1, 2])
@pytest.mark.parametrize(("client", "server"), PAIRS)
async def test_streams_beside_each_other(
    client: Kcptun, server: Kcptun, smuxver: int, target: Target, tmp_path: Path
) -> None:
    options = OPTIONS | {"smuxver": smuxver}
    async with kcptun_pair(client, server, target.port, tmp_path, options) as near:
        async with asyncio.TaskGroup() as group:
            for size in SIZES:
                group.create_task(traffic.echo(direct(near.port), size))
        await traffic.upload(direct(near.port), 3_000_000)
        await traffic.download(direct(near.port), 3_000_000)


@pytest.mark.parametrize("count", [1, 7, 64, 1009])
@pytest.mark.parametrize(("client", "server"), PAIRS)
async def test_any_number_of_pads(
    client: Kcptun, server: Kcptun, count: int, target: Target, tmp_path: Path
) -> None:
    options = OPTIONS | {"QPPCount": count, "key": "long" * 60, "smuxver": 2}
    async with kcptun_pair(client, server, target.port, tmp_path, options) as near:
        await traffic.upload(direct(near.port), 50_000)
        await traffic.download(direct(near.port), 50_000)


@pytest.mark.parametrize("revision", ["A", "M", "B"])
async def test_every_revision(revision: str, target: Target, tmp_path: Path) -> None:
    # Nothing on the wire tells them apart: both ends are told.
    options = OPTIONS | {"QPPRevision": revision}
    async with kcptun_pair("ours", "ours", target.port, tmp_path, options) as near:
        await traffic.upload(direct(near.port), 50_000)
        await traffic.download(direct(near.port), 50_000)
