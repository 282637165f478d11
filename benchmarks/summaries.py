"""Parts of pages that other measurements than the page's own write, between two marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LINKS = ("<!-- links by make bench-links -->", "<!-- end of links -->")
"""The marks around what is said about lossy links."""


def put(page: Path, marks: tuple[str, str], lines: Iterable[str]) -> None:
    """Replace what stands between the marks of a page.

    Raises:
        ValueError: the page does not have both marks.
    """
    before, _, after = _parts(page.read_text(), marks)
    page.write_text("\n".join([before + marks[0], "", *lines, "", marks[1] + after]))


def take(page: Path, marks: tuple[str, str]) -> str:
    """What stands between the marks of a page; empty if there is no such page or part."""
    text = page.read_text() if page.exists() else ""
    return _parts(text, marks)[1].strip() if marks[0] in text else ""


def _parts(text: str, marks: tuple[str, str]) -> tuple[str, str, str]:
    before, begin, rest = text.partition(marks[0])
    between, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise ValueError(f"no part between {marks[0]} and {marks[1]}")
    return before, between, after
