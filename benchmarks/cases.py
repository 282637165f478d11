"""What is measured: named settings of a kcptun pair."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.interop.harness.boxes import Kcptun, Options, kcptun_pair
from tests.interop.harness.peers import system
from tests.interop.harness.picture import example_program, move_examples
from tests.interop.harness.processes import Program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_BULK: Options = {"mode": "fast3", "sndwnd": 4096, "rcvwnd": 4096, "nocomp": True, "quiet": True}


@dataclass(frozen=True)
class Case:
    """One setting of both ends; no options: the example files."""

    name: str
    about: str
    options: Options | None = None


CASES = (
    Case("picture", "the example files: none, fast2, windows 128/512, FEC 10+3"),
    Case("none-fec", "none, fast3, windows 4096, FEC 10+3", _BULK | {"crypt": "none"}),
    Case(
        "none-plain",
        "none, fast3, windows 4096, no FEC",
        _BULK | {"crypt": "none", "datashard": 0, "parityshard": 0},
    ),
    Case("aes-fec", "aes, fast3, windows 4096, FEC 10+3", _BULK | {"crypt": "aes"}),
)


@asynccontextmanager
async def tunnel_to_iperf(case: Case, impl: Kcptun, folder: Path) -> AsyncIterator[Program]:
    """A running tunnel of this case with an iperf3 server behind it; yields its client."""
    ports = move_examples(folder)
    target = ports["blinksocks.server"]
    argv: list[str | Path] = [system("iperf3"), "--server", "--port", str(target)]
    async with Program("iperf3", argv, folder, listens=("tcp", target)):
        if case.options is not None:
            async with kcptun_pair(impl, impl, target, folder, case.options) as near:
                yield near
            return
        far = example_program(impl, "kcptun.server", folder)
        async with far, example_program(impl, "kcptun.client", folder) as near:
            yield near
