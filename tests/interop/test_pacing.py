"""What goes slowly on purpose: a rate limit, and a pause before an end is passed on.

Times are looked at from below alone: a busy machine may be slower, nothing may be faster.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import Kcptun, Options, kcptun_client, kcptun_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.interop.harness.target import Target

COMMON: Options = {"crypt": "aes", "mode": "fast3", "smuxver": 2, "nocomp": True, "quiet": True}
PAIRS: list[tuple[Kcptun, Kcptun]] = [("ours", "theirs"), ("theirs", "ours"), ("ours", "ours")]
RATE, BURST, SIZE = 200_000, 96_000, 300_000


@pytest.mark.parametrize(("client", "server"), PAIRS)
async def test_a_rate_limit_holds_back_what_we_send(
    client: Kcptun, server: Kcptun, target: Target, tmp_path: Path
) -> None:
    limit: Options = {"ratelimit": RATE}
    async with _pair(client, server, target, tmp_path, limit) as connect:
        held = [traffic.upload] if client == "ours" else []
        held += [traffic.download] if server == "ours" else []
        for carry in held:
            began = _now()
            await carry(connect, SIZE)
            assert _now() - began >= (SIZE - BURST) / RATE
            await asyncio.sleep(BURST / RATE)  # what was not used comes back
        await traffic.echo(connect, 50_000)


@pytest.mark.parametrize(("client", "server"), PAIRS)
async def test_closewait_holds_an_end_back_and_no_bytes(
    client: Kcptun, server: Kcptun, target: Target, tmp_path: Path
) -> None:
    async with _pair(client, server, target, tmp_path, {"closewait": 1}) as connect:
        reader, writer = await connect()
        began = _now()
        writer.write(b"LATE 0\n")  # the target ends its direction at once
        async with asyncio.timeout(30):
            assert await reader.read() == b""
        assert _now() - began >= [client, server].count("ours")
        writer.close()
        await traffic.echo(connect, SIZE)


@asynccontextmanager
async def _pair(
    client: Kcptun, server: Kcptun, target: Target, folder: Path, ours: Options
) -> AsyncIterator[traffic.Connect]:
    """A tunnel whose ends have the options `ours` if they are ours; Go of 2021 knows none."""

    def options(impl: Kcptun) -> Options:
        return COMMON | ours if impl == "ours" else COMMON

    far = kcptun_server(server, folder, target=target.port, options=options(server))
    near = kcptun_client(client, folder, server=far.port, options=options(client))
    async with far, near:
        yield traffic.direct(near.port)


def _now() -> float:
    return asyncio.get_running_loop().time()
