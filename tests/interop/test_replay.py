"""A recorded connection is served once: while its server runs, and after that was killed."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import Link, Options, Presets, bs_client, bs_server, kcptun_client
from tests.interop.harness.boxes import kcptun_server as kcptun_server_at
from tests.interop.harness.ports import free_port
from tests.interop.harness.recorder import recorded_datagrams, recorded_streams

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.boxes import Kcptun
    from tests.interop.harness.target import Target

pytestmark = pytest.mark.timeout(120)

BASE: Presets = [{"name": "ss-base"}]
AEAD: Presets = [{"name": "ss-aead-cipher", "params": {"method": "aes-256-gcm"}}]
STREAM: Presets = [{"name": "ss-stream-cipher", "params": {"method": "aes-256-ctr"}}]
VMESS: Presets = [{"name": "v2ray-vmess", "params": {"id": "c2485913-4e9e-41eb-8cc5-b2e7db8d3bc7"}}]
STACKS: dict[str, Presets] = {
    "aead": BASE + AEAD,
    "stream": BASE + STREAM,
    "base-auth stream": [{"name": "base-auth"}, *STREAM],
    "base-auth aead": [{"name": "base-auth"}, *AEAD],
    "aead-random": [
        *BASE,
        {"name": "aead-random-cipher", "params": {"method": "aes-256-gcm"}},
    ],
    **{
        name: [*BASE, {"name": name}, *STREAM]
        for name in (
            *("ssr-auth-aes128-md5", "ssr-auth-aes128-sha1"),
            *("ssr-auth-chain-a", "ssr-auth-chain-b", "obfs-random-padding"),
        )
    },
    "vmess": VMESS,
    "base-auth-stream": [{"name": "base-auth-stream", "params": {"method": "aes-128-cfb"}}],
    "tls disguise": [
        *(*BASE, *AEAD),
        {"name": "obfs-tls1.2-ticket", "params": {"sni": ["example.com"]}},
    ],
}


@pytest.mark.parametrize("client", ["ours", "modern"])
@pytest.mark.parametrize("crypt", ["aes-128-gcm", "aes", "salsa20", "none", "null"])
@pytest.mark.parametrize("is_memory_lost", [False, True])
async def test_a_recorded_session_is_served_once(
    client: Kcptun, crypt: str, is_memory_lost: bool, target: Target, tmp_path: Path
) -> None:
    options: Options = {"crypt": crypt, "key": "a long and random secret"}
    state = tmp_path / "state"
    port = free_port()
    far = kcptun_server_at(
        "ours", tmp_path, target=target.port, options=options | {"statedir": str(state)}, port=port
    )
    async with far, recorded_datagrams(port) as recorder:
        near = kcptun_client(client, tmp_path, server=recorder.port, options=options)
        async with near:
            await traffic.echo(traffic.direct(near.port), 1000)
        served = target.accepted
        recorder.send_again()
        honest = kcptun_client("ours", tmp_path, server=port, options=options)
        async with honest:
            await traffic.echo(traffic.direct(honest.port), 1000)
        assert target.accepted == served + 1, far.log
        far.kill()
        if is_memory_lost:
            shutil.rmtree(state)
        await far.start()
        recorder.send_again()
        recorder.send_again()
        again = kcptun_client("ours", tmp_path, server=port, options=options)
        async with again:
            await traffic.echo(traffic.direct(again.port), 1000)
        assert target.accepted == served + 2, far.log


@pytest.mark.parametrize("is_shared", [False, True], ids=["", "mux"])
@pytest.mark.parametrize("stack", STACKS)
async def test_a_recorded_connection_is_served_once(
    stack: str, is_shared: bool, target: Target, tmp_path: Path
) -> None:
    presets = STACKS[stack]
    if is_shared and len(presets) == 1:
        return  # the frames take the place of its only preset
    state = {"state_dir": str(tmp_path / "state")}
    link = Link(presets, mux=is_shared, server=state)
    far = bs_server("ours", tmp_path, link)
    async with far, recorded_streams(link.port) as recorder:
        through = dataclasses.replace(link, port=recorder.port)
        async with bs_client("ours", tmp_path, through) as near:
            connect = traffic.socks5(near.port, target.port)
            await traffic.echo(connect, 1000)
        served = target.accepted
        recorded = len(recorder.recorded)
        assert recorded >= 1
        for _ in range(2):
            await recorder.send_again()
            async with bs_client("ours", tmp_path, link) as honest:
                await traffic.echo(traffic.socks5(honest.port, target.port), 1000)
            served += 1
            assert target.accepted == served, far.log
            far.kill()
            await far.start()
