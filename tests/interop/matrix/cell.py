"""One cell: two programs, what they agree on, and the path between them."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.interop.harness import peers, traffic
from tests.interop.harness.boxes import Kcptun, Options, kcptun_client, kcptun_server
from tests.interop.harness.lossy import lossy_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.interop.harness.processes import Program

Pair = tuple[Kcptun, Kcptun]
"""Who plays client and server."""

Shards = tuple[int, int]
"""datashard and parityshard of one end."""

CRYPTS_OF_2021 = (
    *("aes", "aes-128", "aes-192", "sm4", "twofish", "blowfish", "cast5", "3des", "tea", "xtea"),
    *("salsa20", "xor", "none"),
)
SIZES = (1, 7, 1_000, 1_326, 8_193, 65_536, 200_000)
"""Bytes of the concurrent echoes: around one segment, one frame, and beyond."""

_WITHIN = 60.0
_FEC_IS_OFF = "error correction towards it is off"
"""What an end that tunes itself never warns of: it sends no parity, whatever the other end does."""
_LOG_SHOWN = 1_500


@dataclass(frozen=True)
class Cell:
    """One combination.

    Attributes:
        shards: Of the client, of the server.
        pads: QPPCount; 0 without QPP.
        loss: Percent of the datagrams, in each direction.
        window: sndwnd and rcvwnd of both.
        bulk: Bytes of one download and one upload, beside the echoes.
        auto: Our ends tune themselves; shards and window are those of the other end alone.
    """

    pair: Pair
    crypt: str = "aes"
    shards: tuple[Shards, Shards] = ((10, 3), (10, 3))
    smuxver: int = 2
    nocomp: bool = False
    pads: int = 0
    loss: int = 0
    mtu: int = 1350
    window: int = 1024
    bulk: int = 0
    auto: bool = False

    @property
    def is_possible(self) -> bool:
        """Whether both programs know all of it, and it ends within a minute."""
        if "theirs" in self.pair and (self.crypt not in CRYPTS_OF_2021 or self.pads):
            return False
        if self.auto and "ours" not in self.pair:
            return False
        return self.window >= 128 or self.bulk < 10_000

    def options(self, impl: Kcptun, shards: Shards) -> Options:
        """The flags of the end that this program plays and that has these shards."""
        shared: Options = {
            "crypt": self.crypt,
            "smuxver": self.smuxver,
            "nocomp": self.nocomp,
            "mtu": self.mtu,
            "quiet": True,
        }
        if self.pads:
            shared |= {"QPP": True, "QPPCount": self.pads}
        if self.auto and impl == "ours" and not peers.CONTROL:
            return shared
        shared |= {"mode": "fast3", "sndwnd": self.window, "rcvwnd": self.window}
        return shared | {"datashard": shards[0], "parityshard": shards[1]}

    def __str__(self) -> str:
        near, far = ("+".join(map(str, shards)) for shards in self.shards)
        words = [
            f"{self.pair[0]}>{self.pair[1]} {self.crypt}",
            near if near == far else f"{near}/{far}",
            f"smux{self.smuxver} {'plain' if self.nocomp else 'snappy'}",
            f"qpp{self.pads}" if self.pads else "",
            f"loss{self.loss} mtu{self.mtu} wnd{self.window}",
            f"bulk{self.bulk}" if self.bulk else "",
            "auto" if self.auto else "",
        ]
        return " ".join(filter(None, words))


@dataclass(frozen=True)
class Outcome:
    """What became of a cell; `error` is empty if every byte was right."""

    cell: Cell
    seconds: float
    error: str = ""


async def try_all(
    cells: Iterable[Cell], target: int, folder: Path, *, at_once: int = 4
) -> list[Outcome]:
    """Try each cell with the server at the port `target`; a failure does not end the rest."""
    room = asyncio.Semaphore(at_once)

    async def attempt(cell: Cell) -> Outcome:
        async with room:
            return await _attempt(cell, target, folder)

    return list(await asyncio.gather(*map(attempt, cells)))


async def _attempt(cell: Cell, target: int, folder: Path) -> Outcome:
    near_shards, far_shards = cell.shards
    options = cell.options(cell.pair[1], far_shards)
    far = kcptun_server(cell.pair[1], folder, target=target, options=options)
    began, programs = time.monotonic(), [far]
    error = ""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(far)
            port = far.port
            if cell.loss:
                path = lossy_path(far.port, cell.loss / 100, seed=str(cell))
                port = stack.enter_context(path).port
            options = cell.options(cell.pair[0], near_shards)
            near = kcptun_client(cell.pair[0], folder, server=port, options=options)
            programs.append(near)
            await stack.enter_async_context(near)
            await _streams(traffic.direct(near.port), cell.bulk)
            if cell.auto:
                assert not any(_FEC_IS_OFF in program.log for program in programs), _FEC_IS_OFF
        except Exception as caught:
            error = _explain(caught, programs)
    return Outcome(cell, time.monotonic() - began, error)


async def _streams(connect: traffic.Connect, bulk: int) -> None:
    async with asyncio.TaskGroup() as group:
        for number, size in enumerate(SIZES):
            group.create_task(traffic.echo(connect, size, start=number * 10_007, within=_WITHIN))
        if bulk:
            group.create_task(traffic.download(connect, bulk, within=_WITHIN))
            group.create_task(traffic.upload(connect, bulk, within=_WITHIN))


def _explain(error: Exception, programs: Sequence[Program]) -> str:
    causes = error.exceptions if isinstance(error, ExceptionGroup) else [error]
    said = "; ".join(f"{type(cause).__name__} {cause}".strip() for cause in causes)
    logs = "".join(f"\n{program}\n{program.log[-_LOG_SHOWN:]}" for program in programs)
    return said + logs
