"""Benchmarks over links: what is made of samples. Taking one is tested in `tests/netns`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from benchmarks import report, summaries
from benchmarks.links import page, tables
from benchmarks.links.cases import BESIDE, LINK, all_cases
from benchmarks.links.contenders import CONTENDERS, by_hand
from benchmarks.links.goals import Goal, goals, verdicts
from benchmarks.links.progress import PAYLOAD, Progress, phases, round_trip
from benchmarks.model import Figure, Record

from blinktun.lab import LINKS, Link

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.facts import Facts

FACTS: Facts = {
    "command": "make bench-links",
    "only": "",
    "plan": "one",
    "machine": "a machine",
    "system": "Linux",
    "date": "today",
    "load": "0",
    "versions": {"blinktun": "1"},
}


def record(link: str, **changes: float) -> Record:
    """Each contender is a little worse than the one before."""
    case = next(case for case in all_cases(12) if case.name == link)
    made = Record(case.kind, case.name, case.about, list(case.figures))
    for number, side in enumerate(case.sides):
        values = {figure.name: 50.0 for figure in case.figures} | changes
        made.samples[side] = [{name: value + number for name, value in values.items()}]
    return made


def test_a_steady_download_has_its_rate_and_starts_when_a_round_trip_had_it() -> None:
    link = Link("rate=10mbit", "delay=50ms", "loss=10%")
    (phase,) = phases(link, 8)
    assert phase.carries == pytest.approx(10 * PAYLOAD * 0.9)
    assert round_trip(link) == 0.1
    # Nothing for a second, then 8 Mbit/s.
    progress = Progress([(n / 100, max(0, n - 100) * 10_000) for n in range(801)])
    assert progress.goodput([phase]) == pytest.approx(8)
    assert progress.share([phase]) == pytest.approx(8 / phase.carries)
    assert progress.start([phase], 0.1) == pytest.approx(10.9)
    late = Progress([(0, 0), (8, 10_000)])
    assert late.start([phase], 0.1) == 80, "as long as there was"


def test_each_phase_of_a_link_counts_without_its_beginning() -> None:
    course = list(phases(Link("rate=80mbit", "step=4s:8mbit"), 12))
    assert [(phase.begin, phase.end) for phase in course] == [(0, 4), (4, 12)]
    # 40 Mbit/s, then 8; nothing in the first quarters.
    rates = [0] * 100 + [50_000] * 300 + [0] * 200 + [10_000] * 600
    progress = Progress([(n / 100, sum(rates[:n])) for n in range(1201)])
    assert progress.goodput(course) == pytest.approx((3 * 40 + 6 * 8) / 9)
    assert progress.share(course) == pytest.approx(40 / (80 * PAYLOAD))
    with pytest.raises(ValueError, match="without a rate"):
        list(phases(Link(), 1))


def test_hand_made_settings_follow_the_link() -> None:
    assert by_hand(Link("clean"))["sndwnd"] == int(12_500_000 * 0.12 / 1350 * 1.35)
    assert (by_hand(Link("slow"))["sndwnd"], by_hand(Link("slow"))["rcvwnd"]) == (64, 512)


def test_every_link_with_a_name_has_goals_and_a_case() -> None:
    assert {goal.link for goal in goals()} == set(LINKS)
    names = [case.name for case in all_cases(12, ["dsl loss=2%"])]
    assert names == [*LINKS, "dsl loss=2%", "beside-bbr", "beside-cubic"]


@pytest.mark.parametrize(
    ("figure", "bound", "value", "met"),
    [
        ("goodput", 80, 80, True),
        ("goodput", 80, 79, False),
        ("share", 85, 86, True),
        ("wire / payload", 1.1, 1.1, True),
        ("request p99", 100, 101, False),
    ],
)
def test_goals_are_bounds(figure: str, bound: float, value: float, met: bool) -> None:
    assert Goal("dsl", figure, bound).is_met(value) is met


def test_goals_are_judged_with_what_was_measured() -> None:
    found = {str(verdict.goal): verdict.met for verdict in verdicts([record("loss5", goodput=86)])}
    assert found == {
        "loss5, goodput ≥ 86": True,
        "loss5, wire / payload ≤ 1.17": False,
        "loss5, request p50 ≤ 230": True,
        "loss5, request p99 ≤ 380": True,
        "loss5, idle p99 ≤ 130": True,
        "loss5, start ≤ 8": False,
        # Here quinn's BBR has 4 Mbit/s more.
        "loss5, goodput ≥ 87.3 (97% of quinn BBR)": False,
    }
    step = {verdict.goal.figure: verdict.met for verdict in verdicts([record("step", share=85)])}
    assert step["share"]


def test_records_become_a_page_with_drawings(tmp_path: Path) -> None:
    records = [record(case.name) for case in all_cases(12)]
    records[0].failures["go"] = "it broke"
    text = page.write(tmp_path, records, FACTS).read_text()
    assert "| dsl | 50.0 |" in text
    assert "| bbr | 50.0 + 50.0 |" in text
    assert "`clean` was not measured with Go kcptun: it broke" in text
    assert "≥ 18.2 | met |" in text
    for path in sorted(tmp_path.glob("links-*.svg")):
        assert f"({path.name})" in text
        drawing = path.read_text()
        ET.fromstring(drawing)
        assert drawing.count("<circle") == len(LINKS) * len(CONTENDERS)


def test_a_link_that_is_measured_again_replaces_its_record(tmp_path: Path) -> None:
    page.write(tmp_path, [record("dsl"), record("far")], FACTS)
    text = page.write(tmp_path, [record("dsl", goodput=7)], FACTS | {"only": "dsl"}).read_text()
    assert "| dsl | 7.00 |" in text
    assert "| far | 50.0 |" in text
    assert text.count("make bench-links`, today") == 2


def test_a_summary_replaces_what_stood_between_its_marks(tmp_path: Path) -> None:
    begin, end = summaries.LINKS
    other = tmp_path / "page.md"
    other.write_text(f"before\n\n{begin}\nold\n{end}\n\nbehind\n")
    lines = list(page.summary([record("dsl")], "docs/"))
    for _ in range(2):
        summaries.put(other, summaries.LINKS, lines)
    text = other.read_text()
    assert text.startswith(
        f"before\n\n{begin}\n\n![goodput over lossy links](docs/links-share.svg)"
    )
    assert text.endswith(f"|\n\n{end}\n\nbehind\n")
    assert "old" not in text
    assert summaries.take(other, summaries.LINKS) == "\n".join(lines).strip()
    assert summaries.take(tmp_path / "none.md", summaries.LINKS) == ""
    other.write_text(begin)
    with pytest.raises(ValueError, match="no part between"):
        summaries.put(other, summaries.LINKS, lines)


def test_the_page_of_results_keeps_its_part_about_links(tmp_path: Path) -> None:
    limits = Record("limits", "limits/x", "x", [Figure("download", "MB/s")])
    limits.samples = {"ours": [{"download": 9.0}]}
    results = report.write(tmp_path, [limits], FACTS)
    summaries.put(results, summaries.LINKS, ["a table"])
    (tmp_path / "links-share.svg").write_text("<svg/>")
    report.write(tmp_path, [limits], FACTS)
    assert summaries.take(results, summaries.LINKS) == "a table"
    assert results.read_text().index("a table") < results.read_text().index("## Targets")
    assert (tmp_path / "links-share.svg").exists()


def test_nothing_measured_is_a_short_page() -> None:
    assert list(tables.everything([])) == []
    assert {case.kind for case in all_cases(1)} == {LINK, BESIDE}
