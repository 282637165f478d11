"""Who may use whom: ``graph.toml`` against the sources, and no circles."""

from __future__ import annotations

import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from tests.architecture import python_modules, rust_modules

Graph = dict[str, set[str]]

ROOT = Path(__file__).resolve().parents[2]
CRATES = sorted(path.parent.name for path in (ROOT / "rust").glob("*/Cargo.toml"))
TABLES = tomllib.loads((Path(__file__).parent / "graph.toml").read_text())


def modules(part: str) -> Graph:
    """The modules of the package or of a crate, and what each uses of the others."""
    if part == "blinktun":
        found = python_modules.uses(ROOT / "src" / part)
    else:
        found = rust_modules.uses(ROOT / "rust" / part / "src")
    return {name(module): {name(other) for other in used} for module, used in found.items()}


def name(module: tuple[str, ...]) -> str:
    return ".".join(module) or "face"


def rooms(part: str) -> Graph:
    """The same of the rooms: folders or files directly below the package or crate."""
    found: Graph = {}
    for module, used in modules(part).items():
        room = module.partition(".")[0]
        others = {other.partition(".")[0] for other in used} - {room}
        found[room] = found.get(room, set()) | others
    return found


def crates() -> Graph:
    """What each crate is built from of the others; what only its tests use does not count."""
    manifests = {crate: (ROOT / "rust" / crate / "Cargo.toml").read_text() for crate in CRATES}
    needs = {
        crate: set(tomllib.loads(text)["dependencies"]) if "[dependencies]" in text else set()
        for crate, text in manifests.items()
    }
    return {crate: needed & set(CRATES) for crate, needed in needs.items()}


def edges(graph: Graph) -> set[str]:
    return {f"{one} -> {other}" for one, used in graph.items() for other in used}


def circle(graph: Graph) -> list[str]:
    """One circle of a graph; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def check(table: str, found: Graph) -> None:
    allowed: Graph = {one: set(used) for one, used in TABLES[table].items()}
    unknown = set(found) - set(allowed)
    assert not unknown, f"graph.toml has no line for {sorted(unknown)} in [{table}]"
    assert not set(allowed) - set(found), "graph.toml has lines for what is not there"
    forbidden = edges(found) - edges(allowed)
    assert not forbidden, f"not allowed by [{table}] of graph.toml: {sorted(forbidden)}"
    unused = edges(allowed) - edges(found)
    assert not unused, f"nothing uses these any more, remove them from [{table}]: {sorted(unused)}"
    assert not circle(allowed)


def test_python_rooms() -> None:
    check("python", rooms("blinktun"))


def test_rust_rooms() -> None:
    check("blinktun-proto", rooms("blinktun-proto"))


def test_crates() -> None:
    check("crates", crates())


@pytest.mark.parametrize("part", ["blinktun", *CRATES])
def test_no_two_modules_need_each_other(part: str) -> None:
    advice = "move what both sides of a circle need into a module of its own"
    assert not circle(modules(part)), advice
