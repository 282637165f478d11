"""The reference pages say what the tables say."""

from __future__ import annotations

from pathlib import Path

import pytest

from blinktun.config.options_blinksocks import LINK_OPTIONS, TOP_OPTIONS
from blinktun.config.options_kcptun import KCPTUN_OPTIONS
from blinktun.config.reference import pages

FOLDER = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize("name", pages())
def test_a_page_is_as_generated(name: str) -> None:
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert written == pages()[name], "run python -m blinktun.config.reference docs/reference"


def test_every_option_is_on_its_page() -> None:
    kcptun, blinksocks = pages()["kcptun-options.md"], pages()["blinksocks-options.md"]
    for option in KCPTUN_OPTIONS:
        assert all(f"`-{flag}`" in kcptun for flag in option.flags)
    for option in (*TOP_OPTIONS, *LINK_OPTIONS):
        assert f"| `{option.name}` |" in blinksocks


def test_names_are_unique_per_side() -> None:
    for side in ("client", "server"):
        flags = [f for o in KCPTUN_OPTIONS if side in o.defaults for f in o.flags]
        assert len(flags) == len(set(flags))
    keys = [option.json_key.casefold() for option in KCPTUN_OPTIONS if option.json_key]
    assert len(keys) == len(set(keys))
