"""Our kcptun against Go's of 2021 and 2026, over what shapes the wire.

Every run tries a fixed core and cells that hold each pair of values, chosen by a seed that the
report names; `INTEROP_SEED` repeats a choice. `make matrix` tries the whole product.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import Kcptun, Options, kcptun_pair
from tests.interop.harness.lossy import lossy_path
from tests.interop.harness.traffic import direct
from tests.interop.matrix import page, spaces
from tests.interop.matrix.cell import Cell, try_all
from tests.interop.matrix.pairwise import pairs_of, pairwise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.interop.harness.target import Target

SEED = int(os.environ.get("INTEROP_SEED") or random.randrange(1_000_000))
EVERYONE: list[tuple[Kcptun, Kcptun]] = [*spaces.MIXED, spaces.OURS]


@pytest.mark.timeout(600)
async def test_the_core(target: Target, tmp_path: Path, matrix_report: list[str]) -> None:
    await _try("core", spaces.core(), target, tmp_path, matrix_report)


@pytest.mark.timeout(600)
async def test_every_pair_of_values(
    target: Target, tmp_path: Path, matrix_report: list[str]
) -> None:
    print(f"INTEROP_SEED={SEED}")
    chosen = pairwise(spaces.DIMENSIONS, SEED)
    await _try(f"INTEROP_SEED={SEED}", chosen, target, tmp_path, matrix_report)


@pytest.mark.parametrize("client", ["theirs", "modern"])
@pytest.mark.parametrize("server", ["theirs", "modern"])
async def test_the_originals_understand_each_other(
    client: Kcptun, server: Kcptun, target: Target, tmp_path: Path
) -> None:
    # The control: if this fails, the fault is not in our programs.
    cells = [
        Cell((client, server), crypt, loss=loss) for crypt in ("aes", "none") for loss in (0, 5)
    ]
    assert not page.failures(await try_all(cells, target.port, tmp_path))


async def test_the_modern_kinds_between_modern_peers(target: Target, tmp_path: Path) -> None:
    crypts = ("aes-128-gcm", "null", "aes")
    cells = [
        Cell(("modern", "modern"), crypt, pads=pads) for crypt in crypts for pads in (0, 7, 61)
    ]
    assert not page.failures(await try_all(cells, target.port, tmp_path))


def test_a_choice_holds_every_pair_and_is_its_seeds_alone() -> None:
    one, other = (pairwise(spaces.DIMENSIONS, seed) for seed in (1, 2))
    assert one == pairwise(spaces.DIMENSIONS, 1)
    assert one != other
    held = [{pair for cell in cells for pair in pairs_of(cell)} for cells in (one, other)]
    assert held[0] == held[1]
    assert all(cell.is_possible for cell in one + other)


async def test_a_lossy_path_loses_its_share_by_its_seed() -> None:
    arrived = [await _through_a_lossy_path(seed, 10_000) for seed in ("one", "one", "other")]
    assert arrived[0] == arrived[1] != arrived[2]
    assert all(0.04 < 1 - len(numbers) / 10_000 < 0.06 for numbers in arrived)


@pytest.mark.parametrize("shards", [(0, 0), (10, 3)], ids=["plain", "fec"])
@pytest.mark.parametrize(("client", "server"), EVERYONE)
async def test_fifty_megabytes(
    client: Kcptun, server: Kcptun, shards: tuple[int, int], target: Target, tmp_path: Path
) -> None:
    data, parity = shards
    options: Options = {"mode": "fast3", "sndwnd": 2048, "rcvwnd": 2048, "quiet": True}
    options |= {"crypt": "none", "datashard": data, "parityshard": parity, "nocomp": True}
    options |= {"smuxver": 2}
    async with kcptun_pair(client, server, target.port, tmp_path, options) as near:
        await traffic.download(direct(near.port), 50_000_000)
        await traffic.upload(direct(near.port), 50_000_000)


async def _try(
    name: str, cells: Sequence[Cell], target: Target, folder: Path, report: list[str]
) -> None:
    began = time.monotonic()
    outcomes = await try_all(cells, target.port, folder)
    report.append(f"{name}: {page.summary(outcomes, time.monotonic() - began)}\n")
    report.append(page.table(outcomes, "crypt", lambda cell: cell.crypt, page.pair_of))
    failed = [f"{outcome.cell}\n{outcome.error}" for outcome in outcomes if outcome.error]
    assert not failed, "\n\n".join(failed)


async def _through_a_lossy_path(seed: str, count: int) -> list[int]:
    """The numbers that arrive at the server when a client sends `count` of them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        arrived: list[int] = []
        with lossy_path(server.getsockname()[1], 0.05, seed) as path, _udp_to(path.port) as client:
            for number in range(count):
                client.send(number.to_bytes(4, "big"))
                while path.carried + path.lost <= number:
                    await asyncio.sleep(0)
                with suppress(BlockingIOError):
                    arrived.append(int.from_bytes(server.recv(4), "big"))
        return arrived


def _udp_to(port: int) -> socket.socket:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", port))
    return client
