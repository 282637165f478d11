"""The tables of bounds and timers have the values of the sources."""

from __future__ import annotations

import pytest
from tools import tables


def test_the_page_is_up_to_date() -> None:
    page = tables.PAGE.read_text()
    assert tables.rendered(page) == page, "run tools/tables.py"


def test_every_place_exists() -> None:
    places = "`smux/stuck.rs` `PATIENCE`, `net/dial.py`, the system"
    assert tables.row(f"| a | b | {places} |") == f"| a | b | {places} |"
    for wrong in ("`smux/nothing.rs`", "`smux/stuck.rs` `NOTHING`"):
        with pytest.raises(ValueError, match=r"nothing|NOTHING"):
            tables.row(f"| a | b | {wrong} |")


def test_constants_become_values_and_places() -> None:
    line = "| a | {smux/credit.rs SPILL bytes} and {smux/fin.rs HOLD} | `smux/mux.rs` |"
    expected = (
        "| a | 28 MiB and 2 s | `smux/credit.rs` `SPILL`, `smux/fin.rs` `HOLD`, `smux/mux.rs` |"
    )
    assert tables.row(line) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4 << 20", 4 << 20),
        ("262_144", 262144),
        ("1 + 2 * 3 - 4", 3),
        ("Duration::from_millis(440)", 0.44),
        ("Duration::from_secs(60)", 60),
        ("Duration::from_micros(250)", 0.00025),
        ("PATIENCE", 5),
    ],
)
def test_expressions(text: str, value: float) -> None:
    assert tables.number("smux/stuck.rs", text) == value


def test_what_is_no_number_is_refused() -> None:
    for text in ("size_of::<Span>()", "f(1)", ""):
        with pytest.raises(ValueError, match=r"smux/stuck\.rs"):
            tables.number("smux/stuck.rs", text)
