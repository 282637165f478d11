"""Every transport between client and server: ours, and Node's where it has them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import Blinksocks, Link, Presets, bs_pair

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.target import Target

PRESETS: Presets = [
    {"name": "ss-base"},
    {"name": "ss-aead-cipher", "params": {"method": "aes-256-gcm"}},
]
NODE: list[tuple[Blinksocks, Blinksocks]] = [
    ("ours", "3.3.0"),
    ("3.3.0", "ours"),
    ("3.3.0", "3.3.0"),
]
OURS = ["tls", "ws", "ws/a/path", "wss", "wss/a/path", "h2", "h2/a/path"]
COMMON = ["tls", "ws", "ws/a/path", "wss"]
SIZE = 3_000_000


@pytest.mark.parametrize("transport", OURS)
@pytest.mark.parametrize("mux", [False, True], ids=["alone", "mux"])
async def test_ours_with_ours(transport: str, mux: bool, target: Target, tmp_path: Path) -> None:
    link = _link(transport, mux=mux)
    async with bs_pair("ours", "ours", tmp_path, link) as near:
        await _check(near.port, target)


@pytest.mark.parametrize("transport", COMMON)
@pytest.mark.parametrize(("client", "server"), NODE)
async def test_ours_with_theirs(
    client: Blinksocks, server: Blinksocks, transport: str, target: Target, tmp_path: Path
) -> None:
    async with bs_pair(client, server, tmp_path, _link(transport)) as near:
        await _check(near.port, target)


@pytest.mark.parametrize("transport", OURS)
async def test_half_close_between_ours(transport: str, target: Target, tmp_path: Path) -> None:
    async with bs_pair("ours", "ours", tmp_path, _link(transport)) as near:
        connect = traffic.socks5(near.port, target.port)
        await traffic.upload_to_eof(connect, SIZE, within=30)
        if not transport.startswith("ws"):  # there the server's end is both
            await traffic.upload_after_eof(connect, 100_000, within=30)


@pytest.mark.parametrize("transport", COMMON)
@pytest.mark.parametrize(("client", "server"), NODE[:2])
async def test_ends_with_theirs(
    client: Blinksocks, server: Blinksocks, transport: str, target: Target, tmp_path: Path
) -> None:
    async with bs_pair(client, server, tmp_path, _link(transport)) as near:
        # The target ends its direction, and the application must see an end, not an error.
        await traffic.upload_after_eof(traffic.socks5(near.port, target.port), 0, within=10)


def _link(transport: str, *, mux: bool = False) -> Link:
    name, _, path = transport.partition("/")
    return Link(PRESETS, mux=mux, transport=name, path=f"/{path}" if path else "")


async def _check(proxy: int, target: Target) -> None:
    connect = traffic.socks5(proxy, target.port)
    for size in (1, 1_000, 70_000):
        await traffic.echo(connect, size, within=20)
    async with asyncio.TaskGroup() as group:
        for start in range(2):
            group.create_task(traffic.download(connect, SIZE, start=start, within=30))
            group.create_task(traffic.upload(connect, SIZE, start=start, within=30))


async def test_an_http_proxy_over_tls(target: Target, tmp_path: Path) -> None:
    async with bs_pair("ours", "3.3.0", tmp_path, _link("tcp"), scheme="https") as near:
        output, url = tmp_path / "fetched", f"http://127.0.0.1:{target.port}/{SIZE}"
        trust = ("--proxy-cacert", str(tmp_path / "tls_cert.pem"))
        for tunnelled in ((), ("--proxytunnel",)):
            proxy = f"https://localhost:{near.port}"
            await traffic.curl(proxy, url, output, *trust, *tunnelled)
            traffic.check_file(output, SIZE)
