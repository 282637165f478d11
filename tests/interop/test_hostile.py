"""A server port under attack: bounded memory, bounded answers, and others are served meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.attack import attack
from tests.interop.harness.boxes import Options, kcptun_client, kcptun_server
from tests.interop.harness.flood import program
from tests.interop.harness.middle import eavesdropped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.interop.harness.target import Target

MEGABYTE = 1_000_000
BOUND = 8 * MEGABYTE
"""What conversations that have proved nothing may cost, all together."""

CRYPTS = ("none", "aes")
EARLY = 16
"""Sessions that may reach the target before they prove their address."""


pytestmark = pytest.mark.timeout(120, func_only=True)  # of the tests, not of the attacker's build


@pytest.fixture(scope="module", autouse=True)
def _attacker() -> None:
    program()


@pytest.mark.parametrize("crypt", CRYPTS)
async def test_spoofed_openings(crypt: str, target: Target, tmp_path: Path) -> None:
    spoof: Mapping[str, str | float] = {
        "mode": "spoof",
        "count": 20_000,
        "sources": 2_000,
        "listen": 2,
        "rate": 40_000,
        # Each asks for an answer that would be a thousand times longer than itself.
        "request": "DOWN 100000 0\\n",
    }
    found = await attack("ours", crypt, spoof, target, tmp_path)
    assert found.flooded.sent == 20_000
    assert found.flooded.worst_ratio <= 3
    assert found.usage.growth <= BOUND, found.usage
    assert found.dials <= 2 * EARLY
    assert len(found.lines) <= 4 * EARLY, found.lines
    assert found.pieces > 2


@pytest.mark.parametrize("crypt", CRYPTS)
async def test_noise_forgeries_and_replays(crypt: str, target: Target, tmp_path: Path) -> None:
    storm: Mapping[str, str | float] = {"mode": "storm", "count": 130_000, "rate": 40_000}
    found = await attack("ours", crypt, storm, target, tmp_path)
    assert found.flooded.sent == 130_000
    # The attacker also holds genuine sessions, to learn from: they have buffers of their own.
    assert found.usage.growth <= BOUND + 3 * 2 * MEGABYTE, found.usage
    assert found.dials <= 100
    assert len(found.lines) <= 300, found.lines[:50]
    assert found.pieces > 2


@pytest.mark.parametrize("crypt", CRYPTS)
async def test_what_is_replayed_or_forged_on_the_path_harms_no_session(
    crypt: str, target: Target, tmp_path: Path
) -> None:
    options: Options = {"mode": "fast3", "crypt": crypt, "quiet": True}
    far = kcptun_server("ours", tmp_path, target=target.port, options=options)
    async with far, eavesdropped(far.port, can_reseal=crypt == "none") as middle:
        near = kcptun_client("ours", tmp_path, server=middle.port, options=options)
        async with near:
            connect = traffic.direct(near.port)
            async with asyncio.TaskGroup() as group:
                group.create_task(traffic.upload(connect, 3 * MEGABYTE, within=30))
                group.create_task(traffic.download(connect, 3 * MEGABYTE, within=30))
                for number in range(20):
                    group.create_task(traffic.echo(connect, 20_000, number * 997, within=30))
            assert middle.added > 4_000
    assert far.log.count("remote address") == 1, far.log
