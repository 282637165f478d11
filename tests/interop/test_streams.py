"""A thousand streams at once over one tunnel."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import Kcptun, Options, kcptun_pair
from tests.interop.harness.pattern import pattern

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.target import Target

STREAMS = 1_000
SIZE = 3_000
ORIGINALS: tuple[Kcptun, ...] = ("theirs", "modern")
PAIRS: list[tuple[Kcptun, Kcptun]] = [
    ("ours", "ours"),
    *(pair for peer in ORIGINALS for pair in (("ours", peer), (peer, "ours"))),
]


@pytest.mark.parametrize("smuxver", [1, 2])
@pytest.mark.parametrize(("client", "server"), PAIRS)
async def test_a_thousand_streams(
    client: Kcptun, server: Kcptun, smuxver: int, target: Target, tmp_path: Path
) -> None:
    options: Options = {"mode": "fast3", "crypt": "none", "smuxver": smuxver, "quiet": True}
    async with (
        kcptun_pair(client, server, target.port, tmp_path, options) as near,
        asyncio.timeout(60),
    ):
        connect = traffic.direct(near.port)
        # The barrier holds every stream open until all of them are.
        barrier = asyncio.Barrier(STREAMS)
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for number in range(STREAMS):
                group.create_task(_echo_in_step(connect, number * 997, barrier))
        took = asyncio.get_running_loop().time() - began
        print(f"{client} to {server}, smux {smuxver}: {STREAMS} streams in {took:.2f} s")
    assert target.accepted == STREAMS


async def _echo_in_step(connect: traffic.Connect, start: int, barrier: asyncio.Barrier) -> None:
    reader, writer = await connect()
    half = SIZE // 2
    writer.write(b"ECHO %d\n" % SIZE + pattern(start, half))
    assert await reader.readexactly(half) == pattern(start, half)
    await barrier.wait()
    writer.write(pattern(start + half, SIZE - half))
    assert await reader.readexactly(SIZE - half) == pattern(start + half, SIZE - half)
    await barrier.wait()
    writer.close()
    await writer.wait_closed()
