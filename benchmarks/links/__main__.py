"""`python -m benchmarks.links`: measure, print, and write the page."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interop.harness import peers
from tests.interop.harness.peers import ROOT

from benchmarks import runner
from benchmarks.facts import surroundings
from benchmarks.links import page, tables
from benchmarks.links.cases import all_cases
from benchmarks.links.contenders import CONTENDERS
from benchmarks.model import Plan
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from benchmarks.facts import Facts
    from benchmarks.model import Case, Side

RECORD = ROOT / "docs" / "benchmarks"
LOOK = ROOT / "target" / "benchmarks"
"""A look is not a record: it does not replace the committed pages."""


def main() -> int:
    """Measure what the command line asks for; 1 if a sample of ours failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.links", description=__doc__)
    parser.add_argument("--links", default="", help="names of cases, see --list; all without")
    parser.add_argument(
        "--own", action="append", default=[], help="a link in words: 'dsl loss=2%%'"
    )
    parser.add_argument("--who", default="", help=f"of {' '.join(CONTENDERS)}; all without")
    parser.add_argument("--rounds", type=int, default=3, help="samples of each (%(default)s)")
    parser.add_argument("--seconds", type=float, default=12, help="of a download (%(default)g)")
    parser.add_argument("--ours", type=Path, help="where our programs are, if not in this build")
    parser.add_argument(
        "--record", action="store_true", help="into docs/benchmarks and README; with all of --who"
    )
    parser.add_argument("--list", action="store_true", help="the names of the cases")
    options = parser.parse_args()
    try:
        cases = all_cases(options.seconds, options.own)
    except ConfigError as error:
        parser.error(str(error))
    if options.list:
        print("\n".join(f"{case.name}: {case.about}" for case in cases))
        return 0
    names = options.own + _words(options.links) or [case.name for case in cases]
    who = _words(options.who)
    sides = [side for side in CONTENDERS if side in who or not who]
    if unknown := {*names} - {case.name for case in cases} | {*who} - {*CONTENDERS}:
        parser.error(f"not a link or contender: {', '.join(sorted(unknown))}; see --list")
    if options.record and (options.who or options.own or options.ours):
        parser.error("a record has every contender, named links and this build")
    chosen = [_of(case, sides) for case in cases if case.name in names]
    rounds = Plan("links", options.rounds, 0, options.seconds, connections=0, scale=0)
    facts = _facts(rounds, options.links)
    build = peers.build(options.ours.absolute()) if options.ours else nullcontext()
    with build:
        records = asyncio.run(runner.measure(chosen, rounds))
    print()
    print("\n".join(tables.everything(records)))
    written = page.write(RECORD if options.record else LOOK, records, facts)
    if options.record:
        page.write_summaries(RECORD)
    print(f"written: {written}")
    return int(any("ours" in record.failures for record in records))


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _of(case: Case, sides: list[Side]) -> Case:
    return replace(case, sides=tuple(side for side in case.sides if side in sides))


def _facts(plan: Plan, links: str) -> Facts:
    return {
        "command": "make bench-links" + (f' LINKS="{links}"' if links else ""),
        "only": links,
        "plan": f"{plan.rounds} samples of each, downloads of {plan.window:g} s",
        **surroundings(("blinktun", "Python", "kcptun", "quinn")),
    }


if __name__ == "__main__":
    sys.exit(main())
