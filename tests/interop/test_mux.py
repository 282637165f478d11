"""Connections that share connections, with Node's blinksocks at either end.

Its 3.3.0 loses all but the last frame that comes before its target is connected, and stops serving
a shared connection after one refused target. Our client gives it a fifth of a second, which is not
enough on a busy machine: uploads to it wait for the target. And these tests refuse nothing there.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import Blinksocks, Link, Presets, bs_pair
from tests.interop.harness.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.target import Target

PRESETS: list[Presets] = [
    [{"name": "ss-base"}, {"name": "ss-stream-cipher", "params": {"method": "aes-128-ctr"}}],
    [{"name": "ss-base"}, {"name": "ss-aead-cipher", "params": {"method": "aes-256-gcm"}}],
]
PAIRS: list[tuple[Blinksocks, Blinksocks]] = [
    ("ours", "ours"),
    ("ours", "3.3.0"),
    ("3.3.0", "ours"),
    ("3.3.0", "3.3.0"),
]


@pytest.mark.parametrize("presets", PRESETS, ids=["stream", "aead"])
@pytest.mark.parametrize(("client", "server"), PAIRS)
async def test_thirty_downloads_at_once(
    client: Blinksocks, server: Blinksocks, presets: Presets, target: Target, tmp_path: Path
) -> None:
    async with bs_pair(client, server, tmp_path, Link(presets, mux=True)) as near:
        connect = traffic.socks5(near.port, target.port)
        async with asyncio.TaskGroup() as group:
            for number in range(30):
                group.create_task(traffic.download(connect, 100_000, start=number, within=30))


@pytest.mark.parametrize(("client", "server"), [("ours", "ours"), ("ours", "3.3.0")])
async def test_uploads(
    client: Blinksocks, server: Blinksocks, target: Target, tmp_path: Path
) -> None:
    async with bs_pair(client, server, tmp_path, Link(PRESETS[1], mux=True)) as near:
        connect = traffic.socks5(near.port, target.port)
        if server == "3.3.0":
            connect = traffic.once_accepted(connect, target)
        async with asyncio.TaskGroup() as group:
            for size in (1, 1_000, 70_000, 3_000_000):
                group.create_task(traffic.echo(connect, size, within=30))
                group.create_task(traffic.upload(connect, size, within=30))


async def test_a_refused_target_leaves_the_others_alone(target: Target, tmp_path: Path) -> None:
    async with bs_pair("ours", "ours", tmp_path, Link(PRESETS[1], mux=True)) as near:
        connect = traffic.socks5(near.port, target.port)
        async with asyncio.TaskGroup() as group:
            group.create_task(traffic.download(connect, 5_000_000, within=30))
            for _ in range(5):
                reader, writer = await traffic.socks5(near.port, free_port())()
                assert await asyncio.wait_for(reader.read(), 10) == b""
                writer.close()
        await traffic.echo(connect, 1_000, within=20)
