"""Imports point one way: the table of ARCHITECTURE.md, made a test."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "blinktun"

LEVELS = (
    {"errors", "address", "effects", "destination"},
    {"config"},
    {"logs"},
    {"crypto"},
    {"presets"},
    {"proxies"},
    {"_core"},
    {"state"},
    {"net"},
    {"kcp"},
    {"transports"},
    {"relay"},
    {"admission"},
    {"tunnel"},
    {"reports"},
    {"app"},
    {"cli"},
)
"""The rooms, each level above those that may import it; rooms of one level may use each other."""

PUBLIC_FACE = {"__init__", "__main__"}
"""The package itself: it may import every room, and no room may import it."""

PURE = {"errors", "address", "effects", "destination", "config", "crypto", "presets", "proxies"}
WORLDLY = {"asyncio", "selectors", "threading", "subprocess", "uvloop", "random"}
"""What rooms without I/O may not import."""

ADDRESS_FUNCTIONS = ("inet_", "AF_")
"""All that they may use of `socket`: text to bytes and back."""

CRATES = {
    "blinktun-gf": set[str](),
    "blinktun-proto": {"blinktun-gf"},
    "blinktun-sim": {"blinktun-proto"},
    "blinktun-io": {"blinktun-proto"},
    "blinktun-py": {"blinktun-proto", "blinktun-io"},
}
"""What each crate may use of the others."""

SANS_IO_CRATES = ("blinktun-gf", "blinktun-proto", "blinktun-sim")
WORLDLY_CRATES = {"mio", "socket2", "quinn-udp", "libc", "pyo3", "tokio", "getrandom", "rand"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def level_of(room: str) -> int:
    return next(number for number, rooms in enumerate(LEVELS) if room in rooms)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> Iterator[str]:
    """Every absolute module name that a file imports, wherever in the file it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_rooms(path: Path) -> set[str]:
    names = (name.split(".") for name in imported_modules(path))
    return {parts[1] if len(parts) > 1 else "__init__" for parts in names if parts[0] == "blinktun"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_rooms_above_its_own(path: Path) -> None:
    room = room_of(path)
    if room in PUBLIC_FACE or room == "testing":
        return
    known = set[str]().union(*LEVELS)
    for other in imported_rooms(path) - {room}:
        assert other in known, f"{room} imports {other}, which only the outside may"
        assert level_of(other) <= level_of(room), f"{room} imports {other}, which stands below it"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_without_io_do_not_touch_the_world(path: Path) -> None:
    if room_of(path) not in PURE:
        return
    assert not {name.split(".")[0] for name in imported_modules(path)} & WORLDLY
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used = f"{node.value.id}.{node.attr}"
            assert node.value.id != "socket" or node.attr.startswith(ADDRESS_FUNCTIONS), used


LOOKUPS = {"getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getfqdn"}
"""What waits for name servers as long as it likes, in the event loop or in its few threads."""
CONNECTING = {"create_connection", "open_connection", "create_server", "start_server"}
"""What looks names up by such calls, unless it is given a socket or told not to."""
NAMES = PACKAGE / "net" / "system_names.py"
DEMONSTRATION = PACKAGE / "cli"
"""What shows the program at work; it knows numbers alone."""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_names_are_looked_up_in_one_place(path: Path) -> None:
    if path == NAMES or room_of(path) == "testing" or DEMONSTRATION in path.parents:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            words = {keyword.arg for keyword in node.keywords}
            where = f"{path.name}:{node.lineno}"
            if node.func.attr in LOOKUPS and "callback" not in words:  # that is c-ares
                assert "AI_NUMERICHOST" in path.read_text(), where
                assert "flags" in words, where
            if node.func.attr in CONNECTING and ast.unparse(node.func) != "socket.create_server":
                is_numeric = any(
                    keyword.arg == "flags" and "AI_NUMERICHOST" in ast.unparse(keyword.value)
                    for keyword in node.keywords
                )
                assert "sock" in words or is_numeric, where


def test_every_room_is_in_the_table_and_opens_with_a_note() -> None:
    rooms = {room_of(path) for path in MODULES} - PUBLIC_FACE - {"testing"}
    assert rooms <= set[str]().union(*LEVELS)
    for folder in {path.parent for path in MODULES}:
        note = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert note, f"{folder.name}/__init__.py has no docstring"


@pytest.mark.parametrize("crate", sorted(path.name for path in (ROOT / "rust").iterdir()))
def test_crates_point_one_way(crate: str) -> None:
    used = dependencies(crate)
    assert {name for name in used if name.startswith("blinktun-")} <= CRATES[crate]
    if crate in SANS_IO_CRATES:
        assert not used & WORLDLY_CRATES


def dependencies(crate: str) -> set[str]:
    """What a crate is built from; what only its tests use does not count."""
    manifest = tomllib.loads((ROOT / "rust" / crate / "Cargo.toml").read_text())
    return set(manifest.get("dependencies", {}))
