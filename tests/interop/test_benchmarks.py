"""The benchmarks still run: one tiny case of each kind. What they measure is not judged here."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from benchmarks import report, runner
from benchmarks.cases import all_cases, beside_before
from benchmarks.facts import circumstances
from benchmarks.goals.__main__ import GOALS
from benchmarks.model import SMOKE, Record
from tests.interop.harness import peers

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.model import Case

ONE_OF_EACH_KIND = (
    "limits/loopback",
    "bulk/aes/10+3",
    "picture/kcptun",
    "requests/connection each/1",
    "proxied requests/1",
    "short connections",
    "memory/kcptun",
    "start-up/blinksocks server",
    "proxy/ss-aead-cipher/aes-256-gcm",
    "scale/idle streams/10",
    "scale/active sessions/1",
)

USES_WRK = {"requests", "proxied requests", "short connections"}


async def test_every_kind_of_case_can_be_measured(tmp_path: Path) -> None:
    cases = {case.name: case for case in all_cases(SMOKE)}
    assert {cases[name].kind for name in ONE_OF_EACH_KIND} == {case.kind for case in cases.values()}

    # wrk counts in whole seconds: there, one side is enough.
    chosen = [
        replace(case, sides=case.sides[:1]) if case.kind in USES_WRK else case
        for case in (cases[name] for name in ONE_OF_EACH_KIND)
    ]
    records = await runner.measure(chosen, SMOKE)
    for case, record in zip(chosen, records, strict=True):
        _check(case, record)

    page = report.write(tmp_path, records, circumstances(SMOKE, only="one of each kind"))
    assert all(
        f"`{case.name.partition('/')[2] or case.name}`" in page.read_text() for case in chosen
    )
    drawings = list(tmp_path.glob("*.svg"))
    assert {"bulk-download.svg", "scale-idle-streams.svg"} <= {path.name for path in drawings}
    for path in drawings:
        ET.fromstring(path.read_text())


async def test_two_builds_are_compared(tmp_path: Path) -> None:
    build = tmp_path / "bin"
    build.mkdir()
    slow = build / "kcptun-client"
    slow.write_text(f'#!/bin/sh\nsleep 0.5; exec {peers.ours(slow.name)} "$@"\n')
    slow.chmod(0o755)
    cases = [case for case in all_cases(SMOKE) if case.name == "start-up/kcptun client"]
    records = await runner.measure(map(beside_before, cases), SMOKE, before=build)
    assert report.changes(records).startswith("1 figures: 1 better, 0 worse")
    (samples,) = [record.samples for record in records]
    samples["ours"], samples["before"] = samples["before"], samples["ours"]
    assert "kcptun client, time: 0." in report.changes(records)


def test_what_is_measured_again_replaces_its_record(tmp_path: Path) -> None:
    case = next(case for case in all_cases(SMOKE) if case.name == "start-up/kcptun client")
    facts = circumstances(SMOKE, only="kcptun client")
    for milliseconds in (300.0, 200.0):
        record = Record(case.kind, case.name, case.about, list(case.figures))
        record.samples = {"ours": [{"time": milliseconds}], "go": [{"time": 50.0}]}
        report.write(tmp_path, [record], facts)
    (kept,) = json.loads((tmp_path / "results.json").read_text())["records"]
    assert Record.from_json(kept).median("ours", "time") == 200.0
    assert kept["run"] == 0


def _check(case: Case, record: Record) -> None:
    assert not record.failures, f"{case.name}: {record.failures}"
    names = {figure.name for figure in case.figures}
    for side in case.sides:
        assert [set(sample) for sample in record.samples[side]] == [names]


@pytest.mark.parametrize("number", [6, 23])
async def test_goals_can_be_measured(number: int, tmp_path: Path) -> None:
    [goal] = [each for each in GOALS if each.number == number]
    assert (await goal.measure(tmp_path)).held
