"""v2ray-vmess against v2ray itself, as far as both know the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import Blinksocks, Link, bs_pair

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.target import Target

ID = "9ad15e3c-4e5c-4c36-9a6c-4e64f81b4c8a"
SECURITIES = ["aes-128-gcm", "chacha20-poly1305", "none"]
PAIRS: list[tuple[Blinksocks, Blinksocks]] = [
    ("ours", "v2ray"),
    ("v2ray", "ours"),
    ("v2ray", "v2ray"),  # the control
]


@pytest.mark.parametrize("security", SECURITIES)
@pytest.mark.parametrize(("client", "server"), PAIRS)
async def test_transfers(
    client: Blinksocks, server: Blinksocks, security: str, target: Target, tmp_path: Path
) -> None:
    async with bs_pair(client, server, tmp_path, _link(security)) as near:
        connect = traffic.socks5(near.port, target.port)
        for size in (1, 1_000, 70_000, 1_000_000):
            await traffic.echo(connect, size, within=20)
        await traffic.download(connect, 3_000_000, within=20)
        await traffic.upload(connect, 3_000_000, within=20)


@pytest.mark.parametrize(("client", "server"), PAIRS[:2])
async def test_a_target_that_says_nothing_and_ends(
    client: Blinksocks, server: Blinksocks, target: Target, tmp_path: Path
) -> None:
    async with bs_pair(client, server, tmp_path, _link("aes-128-gcm")) as near:
        await traffic.upload_after_eof(traffic.socks5(near.port, target.port), 0, within=10)


def _link(security: str) -> Link:
    return Link([{"name": "v2ray-vmess", "params": {"id": ID, "security": security}}])
