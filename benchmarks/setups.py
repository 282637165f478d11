"""The programs of each side, started."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.interop.harness.boxes import (
    Blinksocks,
    Kcptun,
    Link,
    Options,
    Presets,
    bs_client,
    bs_server,
    kcptun_client,
    kcptun_server,
)
from tests.interop.harness.picture import BOXES, example_program, move_examples, together

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tests.interop.harness.processes import Program

    from benchmarks.model import Side

KCPTUN: dict[str, Kcptun] = {
    "ours": "ours",
    "before": "ours",
    "go": "theirs",
    "originals": "theirs",
}
BLINKSOCKS: dict[str, Blinksocks] = {
    "ours": "ours",
    "before": "ours",
    "node": "3.3.0",
    "libev": "libev",
}
"""The sides by the harness's names."""

BULK: Options = {"mode": "fast3", "sndwnd": 4096, "rcvwnd": 4096, "nocomp": True, "quiet": True}
"""kcptun's options where bulk data is measured."""

SMALL: Options = {"mode": "fast3", "sndwnd": 1024, "rcvwnd": 1024, "nocomp": True, "quiet": True}
"""kcptun's options where requests and connections are measured; crypt and FEC as by default."""


AEAD: Presets = [
    {"name": "ss-base"},
    {"name": "ss-aead-cipher", "params": {"method": "aes-256-gcm"}},
]
"""The presets of blinksocks where they are not what is measured."""


@dataclass(frozen=True)
class Setup:
    """A running tunnel: its programs, the nearest first, and where applications connect."""

    programs: tuple[Program, ...]
    port: int
    socks: bool = False


@asynccontextmanager
async def kcptun(side: Side, folder: Path, target: int, options: Options) -> AsyncIterator[Setup]:
    """A kcptun client and server that lead to the port `target`."""
    impl = KCPTUN[side]
    far = kcptun_server(impl, folder, target=target, options=options)
    near = kcptun_client(impl, folder, server=far.port, options=options)
    async with _running((near, far)):
        yield Setup((near, far), near.port)


@asynccontextmanager
async def blinksocks(
    side: Side,
    folder: Path,
    presets: Presets,
    transport: str = "tcp",
    *,
    forward: int | None = None,
) -> AsyncIterator[Setup]:
    """A SOCKS5 proxy and its server; with `forward` every connection leads to that port."""
    impl, link = BLINKSOCKS[side], Link(presets, transport=transport)
    near, far = bs_client(impl, folder, link, forward=forward), bs_server(impl, folder, link)
    async with _running((near, far)):
        yield Setup((near, far), near.port, socks=forward is None)


@asynccontextmanager
async def picture(side: Side, folder: Path) -> AsyncIterator[Setup]:
    """The four example files."""
    move_examples(folder)
    programs = tuple(example_program(KCPTUN[side], box, folder) for box in BOXES)
    async with _running(programs):
        yield Setup(programs, programs[0].port, socks=True)


@asynccontextmanager
async def one_process_a_side(side: Side, folder: Path) -> AsyncIterator[Setup]:
    """The four example files in two processes of ours; `four`: in four."""
    if side == "four":
        async with picture("ours", folder) as setup:
            yield setup
        return
    move_examples(folder)
    boxes = list(BOXES)
    programs = (together(folder, *boxes[:2]), together(folder, *boxes[2:]))
    async with _running(programs):
        yield Setup(programs, programs[0].port, socks=True)


@asynccontextmanager
async def picture_tunnel(side: Side, folder: Path, ports: dict[str, int]) -> AsyncIterator[Setup]:
    """The two kcptun files alone; `ports` are those of the moved files."""
    boxes = ("kcptun.client", "kcptun.server")
    programs = tuple(example_program(KCPTUN[side], box, folder) for box in boxes)
    async with _running(programs):
        yield Setup(programs, ports["kcptun.client"])


@asynccontextmanager
async def _running(programs: Sequence[Program]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for program in reversed(programs):
            await stack.enter_async_context(program)
        yield
