"""An attack on a server that serves an honest client meanwhile, and what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.interop.harness import traffic
from tests.interop.harness.boxes import Kcptun, Options, kcptun_client, kcptun_server
from tests.interop.harness.flood import Flooded, flood
from tests.interop.harness.watch import Usage, watched

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.interop.harness.target import Target

_PIECE = 300_000
_WARM_UP = 3_000_000
_KEY = "it's a secrect"


@dataclass(frozen=True)
class Attack:
    """What an attack did.

    Attributes:
        flooded: What was sent and came back.
        usage: Of the server.
        pieces: Transfers of an honest client that came out right meanwhile.
        slowest: Seconds that the slowest of them took.
        dials: Connections to the target that the attack caused.
        lines: What the server logged meanwhile, without the honest client's.
    """

    flooded: Flooded
    usage: Usage
    pieces: int
    slowest: float
    dials: int
    lines: list[str]


async def attack(
    impl: Kcptun,
    crypt: str,
    options: Mapping[str, str | float],
    target: Target,
    folder: Path,
) -> Attack:
    """Attack a fresh server; the options are those of `flood`.

    Raises:
        AssertionError: an honest transfer failed, or the server printed a traceback.
    """
    settings: Options = {"mode": "fast3", "crypt": crypt, "sndwnd": 1024, "rcvwnd": 1024}
    far = kcptun_server(impl, folder, target=target.port, options=settings)
    near = kcptun_client(impl, folder, server=far.port, options=settings)
    async with far, near:
        connect = traffic.direct(near.port)
        for _ in range(3):  # what grows in honest use has grown then
            await traffic.echo(connect, _WARM_UP)
        quiet = (target.accepted, len(_foreign(far.log)))
        flooding = asyncio.create_task(
            flood(far.port, {"crypt": crypt, "key": _KEY} | dict(options))
        )
        async with watched(far.pid) as usage:
            times = await _transfers_during(flooding, connect)
        await traffic.echo(connect, 1_000, within=5)
        assert "Traceback" not in far.log
        return Attack(
            flooded=await flooding,
            usage=usage,
            pieces=len(times),
            slowest=max(times),
            dials=target.accepted - quiet[0] - len(times) - 1,
            lines=_foreign(far.log)[quiet[1] :],
        )


async def _transfers_during(
    flooding: asyncio.Task[Flooded], connect: traffic.Connect
) -> list[float]:
    clock = asyncio.get_running_loop().time
    times: list[float] = []
    while not flooding.done():
        began = clock()
        await traffic.echo(connect, _PIECE, start=len(times) * 10_007, within=30)
        times.append(clock() - began)
    return times


def _foreign(log: str) -> list[str]:
    return [line for line in log.splitlines() if f"received {_PIECE + 12} bytes" not in line]
