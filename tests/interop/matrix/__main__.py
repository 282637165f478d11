"""Try the whole product and write the page: `python -m tests.interop.matrix`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interop.harness.peers import ROOT
from tests.interop.harness.target import Target
from tests.interop.matrix import page
from tests.interop.matrix.cell import try_all
from tests.interop.matrix.spaces import full

if TYPE_CHECKING:
    from tests.interop.matrix.cell import Cell, Outcome

_PAGE = ROOT / "docs" / "interop" / "matrix.md"


def main() -> int:
    """Run by the command line; the exit status tells whether all was right."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.matrix", description=__doc__)
    parser.add_argument("--only", default="", help="the combinations that contain these words")
    parser.add_argument("--at-once", type=int, default=6, help="pairs that run side by side")
    parser.add_argument("--output", type=Path, help=f"the page; without --only {_PAGE.name}")
    arguments = parser.parse_args()
    parts = {
        heading: [cell for cell in cells if arguments.only in str(cell)]
        for heading, cells in full().items()
    }
    began = time.monotonic()
    outcomes = asyncio.run(_try(parts, arguments.at_once))
    seconds = time.monotonic() - began

    text = page.render(outcomes, seconds)
    print(text)
    output = arguments.output or (None if arguments.only else _PAGE)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text)
    return any(outcome.error for tried in outcomes.values() for outcome in tried)


async def _try(parts: dict[str, list[Cell]], at_once: int) -> dict[str, list[Outcome]]:
    outcomes = {}
    async with Target() as target:
        for heading, cells in parts.items():
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                tried = await try_all(cells, target.port, Path(folder), at_once=at_once)
            outcomes[heading] = tried
            print(f"{heading}: {page.summary(tried, time.monotonic() - began)}", file=sys.stderr)
            for outcome in tried:
                if outcome.error:
                    print(f"-- {outcome.cell}\n{outcome.error}", file=sys.stderr)
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
