"""``blinksocks``: arguments are looked for in upstream's order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blinktun.cli import blinksocks
from blinktun.config import BlinksocksClient, RoleConfig
from blinktun.config.options_blinksocks import LINK_OPTIONS, OLD_PRESETS, PRESETS, TOP_OPTIONS

EXAMPLE = str(Path(__file__).parents[3] / "examples" / "blinksocks.client.json")


@pytest.mark.parametrize(
    "arguments",
    [
        [EXAMPLE],
        [EXAMPLE, "--help"],
        ["-c", EXAMPLE],
        ["--config", EXAMPLE],
        [f"-c={EXAMPLE}"],
        ["--list-presets", "-c", EXAMPLE],
    ],
)
def test_files_are_run(arguments: list[str], launched: list[RoleConfig]) -> None:
    assert blinksocks.main(arguments) == 7
    assert isinstance(launched[0], BlinksocksClient)
    assert launched[0].source == EXAMPLE


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"], ["-c", EXAMPLE, "-h"]])
def test_help_has_every_key(
    arguments: list[str], capsys: pytest.CaptureFixture[str], launched: list[RoleConfig]
) -> None:
    assert blinksocks.main(arguments) == 0
    text = capsys.readouterr().out
    for option in (*TOP_OPTIONS, *LINK_OPTIONS):
        assert f"\n  {option.name} " in text
    assert "default 600" in text
    assert "example of a client" in text
    assert max(map(len, text.splitlines())) <= 100
    assert launched == []


def test_the_example_of_the_help_is_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from blinktun.config import load

    blinksocks.main(["-h"])
    path = tmp_path / "b.json"
    path.write_text(capsys.readouterr().out.split("client's file:\n")[-1])
    assert json.loads(path.read_text())
    assert isinstance(load(path), BlinksocksClient)


def test_version_and_presets(capsys: pytest.CaptureFixture[str]) -> None:
    assert blinksocks.main(["-v", "-c", EXAMPLE]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert blinksocks.main(["--list-presets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*PRESETS, *OLD_PRESETS]
    assert all(len(line) > 30 for line in lines)  # what it is for, and what it protects


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-c"], "-c: needs a file; write -c FILE.json"),
        (["--config="], "--config: needs a file"),
        (["-c", "missing.json"], "missing.json: cannot be read"),
        (["missing.json"], "missing.json: cannot be read"),
        (["--list-preset"], '"--list-preset" is not known; did you mean --list-presets?'),
        (["run"], '"run" is not known; '),
        (["hunter2 secret"], "argument 1 is not known; "),
    ],
)
def test_errors_are_one_line_and_status_2(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    launched: list[RoleConfig],
) -> None:
    assert blinksocks.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("blinksocks: ")
    assert message in error
    assert error.count("\n") == 1
    assert launched == []


def test_an_unusable_file_is_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], launched: list[RoleConfig]
) -> None:
    path = tmp_path / "b.json"
    path.write_text('{"service": "tcp://h:1", "key": "hunter2", "presets": []}')
    assert blinksocks.main([str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"blinksocks: {path}: presets = [...]: is empty; ")
    assert "hunter2" not in error
    assert launched == []
