"""`python -m benchmarks.goals`: measure every goal and write the page."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from tests.interop import conftest  # noqa: F401 - raises the limit of open files
from tests.interop.harness.peers import ROOT
from tests.interop.harness.processes import started

from benchmarks.facts import surroundings
from benchmarks.goals import recovery, resources, security
from benchmarks.goals.model import Goal, Result

PAGE = ROOT / "docs" / "benchmarks" / "goals.md"
GOALS = sorted(
    (*security.ROWS, *recovery.ROWS, *resources.ROWS), key=lambda measured: measured.number
)


def main() -> None:
    """Measure what the command line asks for; only a whole run writes the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.goals", description=__doc__)
    parser.add_argument("--only", default="", help="numbers of goals: 2,19")
    options = parser.parse_args()
    wanted = {int(word) for word in options.only.split(",") if word}
    rows = [each for each in GOALS if not wanted or each.number in wanted]
    page = asyncio.run(_page(rows))
    if not wanted:
        PAGE.write_text(page)
    print(page)


async def _page(rows: list[Goal]) -> str:
    lines = []
    for each in rows:
        result = await _measure(each)
        verdict = "held" if result.held else "**short**"
        lines.append(f"| {each.number} | {each.text} | {result.found} | {verdict} |\n")
        print(time.strftime("%X"), lines[-1], end="", flush=True)
    facts = surroundings()
    return (
        "# Goals of reliability and security\n\n"
        "Written by `make goals`. Real programs on loopback; every run measures each row.\n\n"
        "| # | goal | measured | |\n| ---: | --- | --- | --- |\n"
        + "".join(lines)
        + "\n"
        + "".join(f"- {name}: {fact}\n" for name, fact in (facts | facts.pop("versions")).items())
    )


async def _measure(each: Goal) -> Result:
    started.clear()
    try:
        with tempfile.TemporaryDirectory(prefix="blinktun-goal-") as folder:
            return await each.measure(Path(folder))
    except Exception as error:
        words = " ".join(str(error).split())[:200]
        return Result(f"could not be measured: {type(error).__name__}: {words}", held=False)
    finally:
        for program in started:
            program.kill()


if __name__ == "__main__":
    main()
