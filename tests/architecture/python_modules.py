"""Which module of the package uses which, by their imports."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Module = tuple[str, ...]
"""The names below the package: ``("net", "dial")``; the package itself is ``()``."""


def uses(package: Path) -> dict[Module, set[Module]]:
    """Each module of the package, and the others of it that it imports, wherever it does so.

    An import inside a function counts: it only hides from the interpreter that two modules need
    each other. One below ``TYPE_CHECKING`` counts too, although nothing is loaded for it: whoever
    reads the one module has to know the other.
    """
    sources = [path for path in package.rglob("*.py*") if path.suffix in {".py", ".pyi"}]
    paths = {_module(path, package): path for path in sources}
    return {
        module: {_owner(name, set(paths)) for name in imported(path, package.name)} - {module}
        for module, path in paths.items()
    }


def imported(path: Path, package: str) -> Iterator[Module]:
    """Every name of the package that a file imports."""
    for name in imported_names(path):
        first, *rest = name.split(".")
        if first == package:
            yield tuple(rest)


def imported_names(path: Path) -> Iterator[str]:
    """Every absolute name that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module(path: Path, package: Path) -> Module:
    names = path.relative_to(package).with_suffix("").parts
    return names[:-1] if names[-1] == "__init__" else names


def _owner(name: Module, modules: set[Module]) -> Module:
    """The module that has a name."""
    while name not in modules:
        name = name[:-1]
    return name
