"""What a peer chose can be read in the log, and cannot be taken for anything else."""

from __future__ import annotations

import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinktun.logs.lines import GoFormatter, NpmFormatter, printable

FORMATTERS = [GoFormatter(), NpmFormatter()]


def record(text: str, *values: object, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("blinktun", logging.INFO, "", 0, text, values, info)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 文件.test", "plain, 文件.test"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[2J\x9b", r"\x1b[2J\x9b"),
        ("a\u2028b\u202ec\ufeff", r"a\u2028b\u202ec\ufeff"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_what_is_not_printable_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_no_text_makes_a_second_line(text: str) -> None:
    for formatter in FORMATTERS:
        line = formatter.format(record("-> %s: 0 bytes", text))
        assert line.isprintable()
        line.encode()


@given(st.text())
def test_no_line_of_a_traceback_looks_like_a_record(text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError as caught:
        error = caught
    for formatter in FORMATTERS:
        first, *others = formatter.format(record("ended with a bug", error=error)).split("\n")
        assert first.endswith("ended with a bug")
        assert len(others) >= 2
        assert all(line.startswith("    | ") and line.isprintable() for line in others)


def test_arguments_are_put_in_before_the_text_is_escaped() -> None:
    line = GoFormatter().format(record("%s", "x\n2026/01/01 00:00:00 forged"))
    assert line.endswith(r" x\n2026/01/01 00:00:00 forged")
    assert sys.exc_info() == (None, None, None)
