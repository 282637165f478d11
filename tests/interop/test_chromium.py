"""A browser through our client and server, over every transport."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import peers
from tests.interop.harness.boxes import Link, Presets, bs_pair
from tests.interop.harness.processes import output_of
from tests.interop.harness.together import all_of
from tests.interop.harness.website import COUNT, Website

if TYPE_CHECKING:
    from pathlib import Path

PRESETS: Presets = [
    {"name": "ss-base"},
    {"name": "ss-aead-cipher", "params": {"method": "aes-256-gcm"}},
]
TRANSPORTS = ["tcp", "tls", "ws", "wss", "h2", "kcp"]
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # It would ask this machine directly otherwise.
    "--proxy-bypass-list=<-loopback>",
)


@pytest.mark.parametrize("scheme", ["socks5", "http"])
async def test_a_page_of_fifty_resources(scheme: str, tmp_path: Path) -> None:
    async def check(transport: str) -> None:
        folder = tmp_path / transport
        folder.mkdir()
        link = Link(PRESETS, transport=transport)
        async with bs_pair("ours", "ours", folder, link, scheme=scheme) as near, Website() as site:
            page = await _visit(f"{scheme}://127.0.0.1:{near.port}", site.port, folder)
            title = re.search("<title>(.*?)</title>", page)
            assert title is not None, page[:1000]
            assert title[1] == f"{COUNT} loaded"
            assert [site.asked[path] for path in site.resources] == [1] * COUNT
            await near.wait_for_log(f"127.0.0.1:{site.port}")

    await all_of(check, TRANSPORTS)


async def _visit(proxy: str, port: int, folder: Path) -> str:
    """The page as it is when it has loaded."""
    page = await output_of(
        *("setpriv", "--pdeathsig", "KILL", "--", peers.system("chromium"), *FLAGS),
        *(f"--user-data-dir={folder / 'profile'}", f"--proxy-server={proxy}"),
        *("--dump-dom", f"http://127.0.0.1:{port}/"),
    )
    return page.decode(errors="replace")
