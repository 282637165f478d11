"""The Python in the guide and the example programs run, and links in the papers lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
WITH_SNIPPETS = ("README.md", "docs/guide/library.md", "docs/guide/own-presets.md")
PROGRAMS = sorted((ROOT / "examples").glob("*.py"))
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

FENCED_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def snippets() -> Iterator[tuple[str, str]]:
    """Each block of Python, named by its file and line."""
    for name in WITH_SNIPPETS:
        text = (ROOT / name).read_text()
        for block in FENCED_PYTHON.finditer(text):
            line = text.count("\n", 0, block.start(1)) + 1
            yield f"{name}:{line}", block[1]


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as repositories show them."""
    plain = (re.sub(r"[^\w\- ]", "", heading).lower() for heading in HEADING.findall(text))
    return {heading.replace(" ", "-") for heading in plain}


def test_there_are_snippets() -> None:
    assert len(list(snippets())) >= 5


@pytest.mark.parametrize("code", [pytest.param(code, id=place) for place, code in snippets()])
def test_a_snippet_runs(code: str) -> None:
    run("-c", code)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_example_runs_and_says_something(program: Path) -> None:
    assert run(str(program))


def run(*arguments: str) -> str:
    """Run Python without a failure or a warning; returns what it prints."""
    command = [sys.executable, "-W", "error", *arguments]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(paper: Path) -> None:
    for target, anchor in LINK.findall(paper.read_text()):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        page = (paper.parent / target).resolve() if target else paper
        assert page.exists(), f"{target} does not exist"
        if anchor:
            assert anchor in anchors(page.read_text()), f"{target}#{anchor} has no heading"
