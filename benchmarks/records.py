"""Records and their runs in a JSON file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.model import Record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.facts import Facts


def read(path: Path) -> tuple[list[Facts], list[Record]]:
    """Runs and records of a file; none if there is no file."""
    if not path.exists():
        return [], []
    values = json.loads(path.read_text())
    return values["runs"], [Record.from_json(record) for record in values["records"]]


def to_json(runs: Sequence[Facts], records: Sequence[Record]) -> str:
    """The text of such a file."""
    values = {"runs": runs, "records": [record.to_json() for record in records]}
    return json.dumps(_rounded(values), indent=1) + "\n"


def merged(
    runs: list[Facts], kept: list[Record], records: list[Record], facts: Facts
) -> tuple[list[Facts], list[Record]]:
    """Records with those of a new run, which replace what they measure again; and their runs."""
    fresh = {record.name: record for record in records}
    for record in fresh.values():
        record.run = len(runs)
    together = [fresh.pop(record.name, record) for record in kept] + list(fresh.values())
    used = sorted({record.run for record in together})
    for record in together:
        record.run = used.index(record.run)
    return [[*runs, facts][number] for number in used], together


def _rounded(value: Any) -> Any:
    """Numbers as precise as they mean something."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list | tuple) else value
