"""Edges are read from sources as they are written, and a circle is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.architecture import python_modules, rust_modules, test_graph

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".rs").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("use crate::b::B;", {("b",)}),
        ("use crate::{b::{self, B}, c as d};", {("b",), ("c",)}),
        ("pub(crate) use crate::b::*;", {("b",)}),
        ("use super::b::deep::X;", {("b", "deep")}),
        ("fn f() -> crate :: c :: C { super::b::g() }", {("b",), ("c",)}),
        ("use core::fmt; use other::b::B;", set()),
        ('// use crate::b;\nfn f() { "crate::b"; r#"crate::c "#; \'"\' }', set()),
        ("#[cfg(test)]\nmod tests { use crate::b::B; fn f() {} }\nuse crate::c::C;", {("c",)}),
        ("#[cfg(test)]\nuse crate::b::B;", set()),
        ("mod inner { use super::X; use super::super::b::B; }", {("b",)}),
        ("use crate::Moved;", {("b", "deep")}),
        ("use crate::Own;", {()}),
    ],
)
def test_what_a_module_of_rust_uses(
    tmp_path: Path, text: str, used: set[rust_modules.Module]
) -> None:
    face = "mod a; mod b; mod c; pub use b::Moved; pub struct Own;"
    write(tmp_path, lib=face, a=text, b__mod="mod deep; pub use deep::Moved;", b__deep="", c="")
    assert rust_modules.uses(tmp_path)["a",] == used


def test_children_are_named_without_a_prefix(tmp_path: Path) -> None:
    write(tmp_path, lib="mod a; use a::A; use std::a::B;", a="")
    assert rust_modules.uses(tmp_path) == {(): {("a",)}, ("a",): set()}


@pytest.mark.parametrize(
    "text",
    [
        "import package.b",
        "from package import b",
        "from package.b import B",
        "def f():\n    from package.b import B",
        "if TYPE_CHECKING:\n    from package.b import B",
    ],
)
def test_what_a_module_of_python_uses(tmp_path: Path, text: str) -> None:
    package = tmp_path / "package"
    package.mkdir()
    for name, source in {"__init__": "", "a": text, "b": "import os"}.items():
        (package / f"{name}.py").write_text(source)
    assert python_modules.uses(package) == {(): set(), ("a",): {("b",)}, ("b",): set()}


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert set(test_graph.circle(graph)) == {"a", "b", "c"}
    assert not test_graph.circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_the_table_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(test_graph.TABLES, "t", {"a": ["b"], "b": []})
    test_graph.check("t", {"a": {"b"}, "b": set()})
    wrong: list[test_graph.Graph] = [
        {"a": set(), "b": set()},
        {"a": {"b"}, "b": {"a"}},
        {"a": {"b"}, "b": set(), "c": set()},
        {"a": set()},
    ]
    for found in wrong:
        with pytest.raises(AssertionError):
            test_graph.check("t", found)
