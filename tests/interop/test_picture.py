"""The whole picture from its four files, all ours and with each box replaced by the original."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.picture import BOXES, example_program, move_examples, together

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.target import Target

SIZE = 100_000_000
BOXES_OF_A_SIDE = (
    ("blinksocks.client", "kcptun.client"),
    ("kcptun.server", "blinksocks.server"),
)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("replaced", ["none", *BOXES])
async def test_a_hundred_megabytes_through_the_picture(
    replaced: str, target: Target, tmp_path: Path
) -> None:
    seconds = await _download_through_the_picture({replaced}, SIZE, target, tmp_path)
    print(f"{replaced} replaced: {SIZE / seconds / 1e6:.1f} MB/s")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("theirs", ["neither", "client side", "server side"])
async def test_one_process_a_side(theirs: str, target: Target, tmp_path: Path) -> None:
    ports = move_examples(tmp_path)
    near, far = BOXES_OF_A_SIDE
    async with AsyncExitStack() as stack:
        for side, boxes in (("server side", far), ("client side", near)):
            programs = (
                [example_program("theirs", box, tmp_path) for box in reversed(boxes)]
                if side == theirs
                else [together(tmp_path, *boxes)]
            )
            for program in programs:
                await stack.enter_async_context(program)
        proxy = f"socks5h://127.0.0.1:{ports['blinksocks.client']}"
        size = SIZE if theirs == "neither" else SIZE // 10
        url = f"http://127.0.0.1:{target.port}/{size}"
        await traffic.curl(proxy, url, tmp_path / "downloaded", within=120)
        connect = traffic.socks5(ports["blinksocks.client"], target.port)
        await traffic.upload(connect, SIZE // 100)
    traffic.check_file(tmp_path / "downloaded", size)


async def test_the_originals_draw_the_same_picture(target: Target, tmp_path: Path) -> None:
    # The control, smaller: with these settings the original tunnel is slow.
    await _download_through_the_picture(set(BOXES), SIZE // 10, target, tmp_path)


async def _download_through_the_picture(
    theirs: set[str], size: int, target: Target, folder: Path
) -> float:
    ports = move_examples(folder)
    async with AsyncExitStack() as stack:
        for box in reversed(BOXES):
            program = example_program("theirs" if box in theirs else "ours", box, folder)
            await stack.enter_async_context(program)
        began = time.monotonic()
        proxy = f"socks5h://127.0.0.1:{ports['blinksocks.client']}"
        url = f"http://127.0.0.1:{target.port}/{size}"
        await traffic.curl(proxy, url, folder / "downloaded", within=120)
        seconds = time.monotonic() - began
    traffic.check_file(folder / "downloaded", size)
    return seconds
