from __future__ import annotations

import tomllib
from pathlib import Path

import blinktun

ROOT = Path(__file__).resolve().parents[2]


def test_every_public_name_is_there_and_described() -> None:
    assert sorted(blinktun.__all__, key=str.lower) == sorted(set(blinktun.__all__), key=str.lower)
    for name in blinktun.__all__:
        assert getattr(blinktun, name).__doc__, name


def test_the_version_is_that_of_the_workspace() -> None:
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())
    assert blinktun.__version__ == workspace["workspace"]["package"]["version"]
