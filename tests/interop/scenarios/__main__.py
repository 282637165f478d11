"""Try every scenario and write the page: `python -m tests.interop.scenarios`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interop.harness.peers import ROOT
from tests.interop.scenarios import page
from tests.interop.scenarios.cell import try_scenario
from tests.interop.scenarios.table import SCENARIOS

if TYPE_CHECKING:
    from tests.interop.scenarios.cell import Outcome

_PAGE = ROOT / "docs" / "interop" / "scenarios.md"


def main() -> int:
    """Run by the command line; the exit status tells whether all was right."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.scenarios", description=__doc__)
    parser.add_argument("--only", type=int, nargs="+", help="these numbers; nothing is written")
    numbers: list[int] = parser.parse_args().only or list(SCENARIOS)
    began = time.monotonic()
    outcomes = asyncio.run(_try(numbers))
    text = page.render(outcomes, time.monotonic() - began)
    print(text)
    if numbers == list(SCENARIOS):
        _PAGE.write_text(text)
    return any(outcome.error for outcome in outcomes)


async def _try(numbers: list[int]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            outcomes += await try_scenario(number, Path(folder))
    for outcome in outcomes:
        if outcome.error:
            print(f"-- {outcome.number} {outcome.pair}\n{outcome.error}", file=sys.stderr)
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
