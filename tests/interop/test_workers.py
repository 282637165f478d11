"""A server of several processes: sessions spread, counters add up, a death disturbs no others."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interop.harness import traffic
from tests.interop.harness.boxes import kcptun_client, kcptun_server
from tests.interop.harness.traffic import direct

if TYPE_CHECKING:
    from tests.interop.harness.boxes import Options
    from tests.interop.harness.processes import Program
    from tests.interop.harness.target import Target

OPTIONS: Options = {"mode": "fast3", "crypt": "none", "nocomp": True}
SESSIONS = 16
SIZE = 400_000


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def counters(server: Program) -> dict[str, int]:
    """What SIGUSR1 makes the server say."""
    said = server.log.count("KCP SNMP:")
    os.kill(server.pid, signal.SIGUSR1)
    async with asyncio.timeout(5):
        while server.log.count("KCP SNMP:") == said:
            await asyncio.sleep(0.02)
    line = server.log.rpartition("KCP SNMP:")[2].partition("\n")[0]
    return {name: int(value) for name, value in re.findall(r"(\w+):(\d+)", line)}


async def test_sessions_spread_and_counters_add_up(target: Target, tmp_path: Path) -> None:
    far = kcptun_server("ours", tmp_path, target=target.port, options=OPTIONS | {"workers": 2})
    near = kcptun_client("ours", tmp_path, server=far.port, options=OPTIONS | {"conn": SESSIONS})
    async with far, near:
        async with asyncio.TaskGroup() as group:
            for _ in range(SESSIONS):
                group.create_task(traffic.echo(direct(near.port), SIZE))
        total = await counters(far)
        assert total["PassiveOpens"] == SESSIONS
        assert total["BytesReceived"] >= SESSIONS * SIZE
        assert len(children(far.pid)) == 2
        far.terminate()
        assert await far.exit_code(5) == 0


async def test_the_death_of_one_worker_leaves_the_others_alone(
    target: Target, tmp_path: Path
) -> None:
    far = kcptun_server("ours", tmp_path, target=target.port, options=OPTIONS | {"workers": 2})
    near = kcptun_client("ours", tmp_path, server=far.port, options=OPTIONS | {"conn": SESSIONS})
    async with far, near:
        # 40 kB every 10 ms: 1.5 s and more.
        drips = [traffic.drip(direct(near.port), 6_000_000) for _ in range(SESSIONS)]
        together = asyncio.gather(*drips, return_exceptions=True)
        await asyncio.sleep(0.7)
        victim, other = children(far.pid)
        os.kill(victim, signal.SIGKILL)
        endings = await together
        broken = [ending for ending in endings if ending is not None]
        assert 0 < len(broken) < SESSIONS
        assert {type(ending) for ending in broken} == {ConnectionResetError}
        assert other in children(far.pid)
        assert len(children(far.pid)) == 2
        await traffic.echo(direct(near.port), SIZE)
    assert "worker 0 died (SIGKILL)" in far.log or "worker 1 died (SIGKILL)" in far.log
