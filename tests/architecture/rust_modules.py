"""Which module of a crate uses which, read from the sources without a compiler."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Module = tuple[str, ...]
"""The names below the crate: ``("kcp", "sender")``; the crate itself is ``()``."""

# Characters and strings come first, so that a quote in one or a slash in the other ends neither.
_NO_CODE = re.compile(
    r"""b?'(?:\\.[^']*|[^'\\\n])'|r(?P<fence>#*)".*?"(?P=fence)|b?"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/""",
    re.DOTALL,
)
_TEST = re.compile(r"#\[cfg\((?:all\()?test\b[^\]]*\]")
_USE = re.compile(r"\buse\s+(?P<tree>[^;]+);")
_INLINE = re.compile(r"\bmod\s+(?P<name>\w+)\s*\{")
_PATH = re.compile(r"(?<![\w:])[A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)+")


def uses(source: Path) -> dict[Module, set[Module]]:
    """Each module of the crate in this folder, and the others of the crate that it uses.

    A name that a module only imports, and others take from there, counts as one of the module that
    it comes from. Tests do not count: they may look at anything.
    """
    code = {_module(path, source): _code(path.read_text()) for path in source.rglob("*.rs")}
    code = {module: text for module, text in code.items() if "tests" not in module}
    passed_on = {module: dict(_passed_on(module, code)) for module in code}
    found: dict[Module, set[Module]] = {}
    for module in code:
        owners = {_owner(path, passed_on) for path in _paths(module, code)}
        found[module] = owners - {module}
    return found


def named_in(path: Path) -> set[str]:
    """Every path that a file names outside of its tests, as it is written there."""
    text = _code(path.read_text())
    trees = [use["tree"] for use in _USE.finditer(text)]
    names = {"::".join(branch) for tree in trees for branch, _ in _branches(tree)}
    return names | {re.sub(r"\s", "", found[0]) for found in _PATH.finditer(_USE.sub(" ", text))}


def _module(path: Path, source: Path) -> Module:
    names = path.relative_to(source).with_suffix("").parts
    return names[:-1] if names[-1] in {"lib", "mod", "main"} else names


def _code(text: str) -> str:
    """The program without comments, strings and tests."""
    text = _NO_CODE.sub(" ", text)
    while found := _TEST.search(text):
        text = text[: found.start()] + text[_end_of_item(text, found.end()) :]
    return text


def _end_of_item(text: str, start: int) -> int:
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0 and text[at] in ";}":
            return at + 1
    return len(text)


def _paths(module: Module, code: dict[Module, str]) -> Iterator[Module]:
    """Every path of the crate in a module, from the crate's root."""
    text = code[module]
    for use in _USE.finditer(text):
        for path, _ in _branches(use["tree"]):
            yield from _absolute(path, _scope(module, text, use.start()), code)
    for found in _PATH.finditer(_USE.sub(lambda use: " " * len(use[0]), text)):
        path = re.split(r"\s*::\s*", found[0])
        yield from _absolute(path, _scope(module, text, found.start()), code)


def _passed_on(module: Module, code: dict[Module, str]) -> Iterator[tuple[str, Module]]:
    """The names that a module has from elsewhere, and their paths there."""
    text = code[module]
    for use in _USE.finditer(text):
        if _scope(module, text, use.start()) == module:
            for path, name in _branches(use["tree"]):
                for absolute in _absolute(path, module, code):
                    yield name, absolute


def _scope(module: Module, text: str, at: int) -> Module:
    """The module with the inline ones that this place in its text lies in."""
    inline = (found for found in _INLINE.finditer(text) if found.start() < at)
    names = (found["name"] for found in inline if at < _end_of_item(text, found.start()))
    return (*module, *names)


def _branches(tree: str) -> Iterator[tuple[list[str], str]]:
    """The paths of a ``use``, each with the name that it has from there on."""
    head, brace, rest = tree.partition("{")
    prefix = [name for name in re.split(r"\s*::\s*", head.strip()) if name]
    if not brace:
        *_, last = prefix
        path, _, alias = last.partition(" as ")
        yield [*prefix[:-1], path.strip()], (alias or path).strip()
        return
    for branch in _split(rest[: rest.rindex("}")]):
        for path, name in _branches(branch):
            full = prefix + path
            if full[-1] == "self":
                full.pop()
            yield full, name


def _split(list_of_trees: str) -> Iterator[str]:
    depth, start = 0, 0
    for at, char in enumerate(list_of_trees + ","):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            if tree := list_of_trees[start:at].strip():
                yield tree
            start = at + 1


def _absolute(path: list[str], module: Module, code: dict[Module, str]) -> Iterator[Module]:
    """The path from the crate's root; nothing if it leads into another crate."""
    first, *rest = path
    if first == "crate":
        yield tuple(rest)
    elif first == "self":
        yield (*module, *rest)
    elif first == "super":
        above = module[:-1]
        while rest and rest[0] == "super":
            above, rest = above[:-1], rest[1:]
        yield (*above, *rest)
    elif (*module, first) in code:
        yield (*module, *path)


def _owner(path: Module, passed_on: dict[Module, dict[str, Module]]) -> Module:
    """The module that has the last name of a path."""
    known = path
    while known not in passed_on:
        known = known[:-1]
    rest = path[len(known) :]
    if rest and (origin := passed_on[known].get(rest[0])):
        return _owner((*origin, *rest[1:]), passed_on)
    return known
