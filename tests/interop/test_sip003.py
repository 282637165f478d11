"""Our kcptun as a plugin of shadowsocks-libev, at either end or both."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Literal

import pytest
from tests.interop.harness import peers, traffic
from tests.interop.harness.boxes import kcptun_client, kcptun_server
from tests.interop.harness.ports import free_port, is_listening
from tests.interop.harness.processes import Program
from tests.interop.harness.traffic import socks5

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.interop.harness.boxes import Options
    from tests.interop.harness.target import Target

End = Literal["plugin", "beside"]
"""Our kcptun started by shadowsocks, or Go's kcptun beside a shadowsocks without plugin."""

SIZE = 5_000_000
PLUGIN_OPTIONS = r"key=a\;b;crypt=aes-128;mode=fast3;datashard=5;ps=2;nocomp;smuxver=2;quiet"
GO_OPTIONS: Options = {
    "key": "a;b", "crypt": "aes-128", "mode": "fast3", "datashard": 5, "parityshard": 2,
    "nocomp": True, "smuxver": 2, "quiet": True,
}  # fmt: skip


def shadowsocks(
    command: str, folder: Path, port: int, *more: str | Path, listens: tuple[str, int]
) -> Program:
    argv = [
        peers.system(command),
        *("-s", "127.0.0.1", "-p", str(port), "-k", "secret", "-m", "aes-256-gcm", *more),
    ]
    protocol: Literal["tcp", "udp"] = "tcp" if listens[0] == "tcp" else "udp"
    return Program(command, argv, folder, listens=(protocol, listens[1]))


def plugin(command: str) -> list[str | Path]:
    return ["--plugin", peers.ours(command), "--plugin-opts", PLUGIN_OPTIONS]


@asynccontextmanager
async def hosting(program: Program) -> AsyncIterator[Program]:
    """A program that ends its plugin when it is told to end, but not when it is killed."""
    async with program:
        try:
            yield program
        finally:
            program.terminate()
            await program.exit_code(5)


@asynccontextmanager
async def far_end(end: End, folder: Path) -> AsyncIterator[int]:
    """A shadowsocks server behind a kcptun server, whose UDP port it yields."""
    udp = free_port()
    async with AsyncExitStack() as stack:
        if end == "plugin":
            extra = plugin("kcptun-server")
            host = shadowsocks("ss-server", folder, udp, *extra, listens=("udp", udp))
            await stack.enter_async_context(hosting(host))
        else:
            tcp = free_port()
            behind = kcptun_server("theirs", folder, target=tcp, options=GO_OPTIONS, port=udp)
            await stack.enter_async_context(behind)
            plain = shadowsocks("ss-server", folder, tcp, listens=("tcp", tcp))
            await stack.enter_async_context(plain)
        yield udp
    await _until_closed(udp)


@asynccontextmanager
async def near_end(end: End, folder: Path, udp: int) -> AsyncIterator[int]:
    """A kcptun client behind a shadowsocks client, whose SOCKS port it yields."""
    proxy = free_port()
    local = ("-b", "127.0.0.1", "-l", str(proxy))
    async with AsyncExitStack() as stack:
        if end == "plugin":
            extra = plugin("kcptun-client")
            host = shadowsocks("ss-local", folder, udp, *local, *extra, listens=("tcp", proxy))
            await stack.enter_async_context(hosting(host))
            async with asyncio.timeout(5):  # shadowsocks does not wait for its plugin
                while "kcptun client listening" not in host.log:
                    await asyncio.sleep(0.02)
        else:
            before = kcptun_client("theirs", folder, server=udp, options=GO_OPTIONS)
            await stack.enter_async_context(before)
            plain = shadowsocks("ss-local", folder, before.port, *local, listens=("tcp", proxy))
            await stack.enter_async_context(plain)
        yield proxy


async def _until_closed(udp: int) -> None:
    """A plugin ends soon after its host: it leaves its port."""
    async with asyncio.timeout(3):
        while is_listening(udp, "udp"):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("near", "far"), [("plugin", "plugin"), ("plugin", "beside"), ("beside", "plugin")]
)
async def test_a_download_through_shadowsocks(
    near: End, far: End, target: Target, tmp_path: Path
) -> None:
    async with far_end(far, tmp_path) as udp, near_end(near, tmp_path, udp) as proxy:
        connect = socks5(proxy, target.port)
        await traffic.download(connect, SIZE)
        await traffic.upload(connect, 100_000)


async def test_an_option_that_does_not_exist_ends_the_plugin_with_a_line(tmp_path: Path) -> None:
    udp = free_port()
    extra: list[str | Path] = ["--plugin", peers.ours("kcptun-server"), "--plugin-opts", "mdoe=x"]
    host = shadowsocks("ss-server", tmp_path, udp, *extra, listens=("udp", udp))
    with pytest.raises(AssertionError, match="did you mean mode"):
        async with host:
            await asyncio.sleep(5)
    assert "kcptun-server: SS_PLUGIN_OPTIONS: mdoe: there is no such option" in host.log
