"""`python -m benchmarks`: measure, print, and write the page."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from tests.interop.harness.peers import ROOT

from benchmarks import report, runner
from benchmarks.cases import all_cases, beside_before
from benchmarks.facts import circumstances
from benchmarks.model import FULL, QUICK

PAGE = ROOT / "docs" / "benchmarks"
LOOKS = ROOT / "target" / "benchmarks"
"""A look is not a record: it does not replace the committed page."""


def main() -> int:
    """Measure what the command line asks for; 1 if one of our own samples failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name contains one of these, a,b")
    parser.add_argument("--quick", action="store_true", help="one short round, fewer sizes")
    parser.add_argument("--out", type=Path, help="folder of the page")
    parser.add_argument(
        "--before",
        type=Path,
        help="measure beside another build of ours only: the `bin` folder of its environment",
    )
    parser.add_argument("--list", action="store_true", help="the names of the cases")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    words = [word.strip() for word in options.only.split(",")]
    cases = [case for case in all_cases(plan) if any(word in case.name for word in words)]
    if not cases:
        parser.error(f"no case contains {options.only!r}; see --list")
    if options.list:
        print("\n".join(f"{case.name}: {case.about}" for case in cases))
        return 0
    if options.before:
        cases = [beside_before(case) for case in cases if "ours" in case.sides]
    facts = circumstances(plan, options.only)
    before = options.before and options.before.absolute()
    records = asyncio.run(runner.measure(cases, plan, before=before))
    looks = options.quick or options.before
    page = report.write(options.out or (LOOKS if looks else PAGE), records, facts)
    said = report.changes(records) if options.before else report.verdicts(records)
    print(f"\n{said}\nwritten: {page}")
    return int(any({"ours", "before"} & set(record.failures) for record in records))


if __name__ == "__main__":
    sys.exit(main())
