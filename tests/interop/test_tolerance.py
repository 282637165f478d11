"""What the Go program takes although nobody should write it, and what ours makes of the same.

The left column of decision 24, held to Go's build of 2021: a row that changes there fails here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import pytest
from tests.interop.harness.boxes import kcptun_command
from tests.interop.harness.ports import free_port
from tests.interop.harness.processes import Program

if TYPE_CHECKING:
    from pathlib import Path

Verdict = Literal["runs", "warns", "refuses"]

FLAGS: list[tuple[list[str], Verdict, Verdict]] = [
    # what is written, what Go does, what ours does
    (["-nocomp"], "runs", "runs"),
    (["--nocomp=1"], "runs", "runs"),
    (["-nocomp", "true"], "runs", "warns"),
    (["-nocomp", "true", "-mtu", "1200"], "runs", "warns"),
    (["-nocomp", "true", "-key", "other"], "runs", "refuses"),
    (["extra"], "runs", "warns"),
    (["--", "-mtu", "1200"], "runs", "warns"),
    (["-nocomp=yes"], "refuses", "refuses"),
    (["---mtu", "1200"], "refuses", "refuses"),
    (["-nosuch", "1"], "refuses", "refuses"),
    (["-conn", "3"], "refuses", "refuses"),
    (["-mtu", "0x500"], "runs", "runs"),
    (["-mtu", "1e3"], "refuses", "refuses"),
    (["-mtu", ""], "refuses", "refuses"),
    (["-mtu", "99999999999999999999"], "refuses", "refuses"),
    (["-mtu", "9000"], "runs", "warns"),
    (["-mtu", "-5"], "runs", "warns"),
    (["-mtu", "1200", "-mtu", "1300"], "runs", "runs"),
    (["-sndwnd", "0"], "runs", "warns"),
    (["-rcvwnd", "100000"], "runs", "warns"),
    (["-datashard", "-1"], "runs", "warns"),
    (["-ds", "200", "-ps", "100"], "runs", "warns"),
    (["-ds", "128", "-ps", "128"], "runs", "refuses"),
    (["-dscp", "184"], "runs", "warns"),
    (["-sockbuf", "0"], "runs", "warns"),
    (["-mode", "manual", "-nodelay", "2", "-interval", "1"], "runs", "warns"),
    (["-mode", "fast4"], "runs", "refuses"),
    (["-crypt", "aes-256"], "runs", "refuses"),
    (["-smuxver", "3"], "refuses", "refuses"),
]

FILES: list[tuple[str, Verdict, Verdict]] = [
    ("{}", "runs", "runs"),
    ('{"MTU": 1200}', "runs", "runs"),
    ('{"mtu": null}', "runs", "runs"),
    ('{"mtu": 1300, "MTU": 1200}', "runs", "warns"),
    ('{"mtu": 1300, "mtu": 1200}', "runs", "warns"),
    ('{"mtu": 1200} and more', "runs", "warns"),
    ('{"_comment": "mine", "mtu": 1200}', "runs", "runs"),
    ('{"vendor": "somebody"}', "runs", "warns"),
    ('{"conn": 3}', "runs", "warns"),
    ('{"ds": 4}', "runs", "refuses"),
    ('{"keepalife": 10}', "runs", "refuses"),
    ('{"mtu": -1}', "runs", "warns"),
    ('{"mtu": "1200"}', "refuses", "refuses"),
    ('{"mtu": 1200.0}', "refuses", "refuses"),
    ('{"nocomp": 1}', "refuses", "refuses"),
    ('{"nocomp": "true"}', "refuses", "refuses"),
    ('{"mtu": 1200,}', "refuses", "refuses"),
    ("[]", "refuses", "refuses"),
    ("", "refuses", "refuses"),
    ('// comment\n{"mtu": 1200}', "refuses", "refuses"),
]
KEY = "a long random text, of course"
CIPHER = "aes-128-gcm"
"""No warning of ours; the Go program does not know it, runs aes and says nothing."""

BOM = "\ufeff{}"
"""Go refuses it; Windows editors write it, and nothing else could be meant, so ours takes it."""


@pytest.mark.parametrize(("arguments", "go", "ours"), FLAGS, ids=str)
async def test_flags(tmp_path: Path, arguments: list[str], go: Verdict, ours: Verdict) -> None:
    assert await _verdict("theirs", tmp_path, arguments) == ("runs" if go == "warns" else go)
    assert await _verdict("ours", tmp_path, arguments) == ours


@pytest.mark.parametrize(("text", "go", "ours"), FILES, ids=lambda value: str(value)[:30])
async def test_files(tmp_path: Path, text: str, go: Verdict, ours: Verdict) -> None:
    (tmp_path / "k.json").write_text(text)
    assert await _verdict("theirs", tmp_path, ["-c", "k.json"]) == go
    assert await _verdict("ours", tmp_path, ["-c", "k.json"]) == ours


async def test_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "k.json").write_text(BOM)
    assert await _verdict("theirs", tmp_path, ["-c", "k.json"]) == "refuses"
    assert await _verdict("ours", tmp_path, ["-c", "k.json"]) == "runs"


async def _verdict(impl: Literal["ours", "theirs"], folder: Path, arguments: list[str]) -> Verdict:
    """Start a server with these flags behind good ones."""
    port = free_port()
    good = ["-l", f"127.0.0.1:{port}", "-t", "127.0.0.1:9", "-key", KEY, "-crypt", CIPHER]
    argv = [*kcptun_command(impl, "server"), *good, *arguments]
    program = Program(impl, argv, folder, listens=("udp", port))
    try:
        await program.start()
    except AssertionError:
        return "refuses"
    finally:
        program.kill()
    return "warns" if _WARNING.search(program.log) else "runs"


_WARNING = re.compile("warning: (command line|k.json): ")
