"""`python -m benchmarks`: measure the cases and write the page."""

from __future__ import annotations

import argparse
import asyncio

from benchmarks import report
from benchmarks.bulk import Result, measure
from benchmarks.cases import CASES, Case


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name contains this text")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4, help="of each transfer")
    options = parser.parse_args()
    cases = [case for case in CASES if options.only in case.name]
    if not cases:
        parser.error(f"no case contains {options.only!r}: {', '.join(c.name for c in CASES)}")
    results = asyncio.run(_measure(cases, options.rounds, options.seconds))
    print(report.table(results))
    if len(cases) < len(CASES):
        print(f"{report.PAGE} holds all cases and stays as it is")
        return
    report.write(results, "make bench", options.rounds, options.seconds)
    print(f"written: {report.PAGE}")


async def _measure(cases: list[Case], rounds: int, seconds: int) -> list[Result]:
    results: list[Result] = []
    for case in cases:
        print(f"{case.name}: {case.about}", flush=True)
        results += await measure(case, rounds, seconds)
    return results


if __name__ == "__main__":
    main()
