"""What a room may use of the world outside of the package and its crates."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
from tests.architecture.python_modules import imported_names

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "blinktun"

PURE = {"errors", "address", "effects", "destination", "config", "crypto", "presets", "proxies"}
WORLDLY = {"asyncio", "selectors", "threading", "subprocess", "uvloop", "random"}
"""What rooms without I/O may not import."""

ADDRESS_FUNCTIONS = ("inet_", "AF_")
"""All that they may use of `socket`: text to bytes and back."""

SANS_IO_CRATES = ("blinktun-gf", "blinktun-proto", "blinktun-link", "blinktun-sim")
WORLDLY_CRATES = {"mio", "socket2", "quinn-udp", "libc", "pyo3", "tokio", "getrandom", "rand"}

MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_without_io_do_not_touch_the_world(path: Path) -> None:
    if room_of(path) not in PURE:
        return
    assert not {name.split(".")[0] for name in imported_names(path)} & WORLDLY
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


def test_every_room_opens_with_a_note() -> None:
    for folder in {path.parent for path in MODULES}:
        note = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert note, f"{folder.name}/__init__.py has no docstring"


@pytest.mark.parametrize("crate", SANS_IO_CRATES)
def test_sans_io_crates_are_built_from_nothing_worldly(crate: str) -> None:
    manifest = tomllib.loads((ROOT / "rust" / crate / "Cargo.toml").read_text())
    assert not set(manifest.get("dependencies", {})) & WORLDLY_CRATES
