"""What ``blinktun lab`` understands; `tests/netns` has labs that carry traffic."""

from __future__ import annotations

from pathlib import Path

import pytest

from blinktun import lab
from blinktun.cli.lab import parse
from blinktun.cli.main import main
from blinktun.errors import LabError


def test_arguments() -> None:
    order = parse(["dsl", "--json", "loss=2%", "reorder", "jitter=5ms"])
    assert (order.name, order.side, order.json) == (
        "dsl loss=2% reorder jitter=5ms",
        "client",
        True,
    )
    assert order.link.words[-3:] == ["loss=2%", "reorder", "jitter=5ms"]
    assert list(order.command) == []
    order = parse(["--server", "dsl loss=2%", "--", "curl", "--", "--help"])
    assert (order.side, order.name) == ("server", "dsl loss=2%")
    assert list(order.command) == ["curl", "--", "--help"]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["lab: names no link", "write one of clean, "]),
        (["dls"], ['"dls": is neither the name of a link nor key=value', "clean, loss1"]),
        (["dsl", "loss=2"], ['loss = "2": is not a share', "write loss=0.5%"]),
        (["delay=5"], ['delay = "5": is not a time', "write delay=20ms"]),
        (["dsl", "colour=red"], ['colour = "red": there is no such key', "keys: down, up"]),
        (["dsl", "--fast"], ["--fast: is no argument of lab", "--json, --client, --server"]),
        (["dsl", "--client", "--server"], ["cannot both be asked for", "choose one"]),
        (["dsl", "--"], ["is not followed by a command", "write -- COMMAND"]),
    ],
)
def test_what_cannot_be_understood(
    arguments: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("blinktun: command line")
    assert said.count("\n") == 1
    assert all(part in said for part in parts), said


def test_what_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(link: lab.Link) -> None:
        raise LabError("a lab needs root: run it with sudo")

    monkeypatch.setattr(lab, "Lab", refuse)
    assert main(["lab", "dsl"]) == 1
    assert capsys.readouterr().err == "blinktun lab: a lab needs root: run it with sudo\n"


def test_a_command_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "dsl", "--", "no-such-program"]) == 127
    assert "there is no program no-such-program" in capsys.readouterr().err


def test_the_page_names_every_link_and_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--help"]) == 0
    page = capsys.readouterr().out
    for name, (words, summary) in lab.LINKS.items():
        assert f"  {name} " in page
        assert words in page
        assert summary in page
    for key, (example, does) in lab.LINK_KEYS.items():
        assert f"  {key}={example} " in page
        assert does in page
    assert max(len(line) for line in page.splitlines()) <= 130


def test_the_guide_names_every_link_and_key() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guide" / "lab.md").read_text()
    for name in (*lab.LINKS, *lab.LINK_KEYS):
        assert f"`{name}`" in guide or f"`{name}=" in guide, name
    for name in ("clean", "dsl", "far", "deep", "policer", "step", "near", "slow"):
        words, _ = lab.LINKS[name]
        assert f"| `{name}` | `{words}` |" in guide


def test_help_behind_the_command_is_for_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(link: lab.Link) -> None:
        raise LabError("made")

    monkeypatch.setattr(lab, "Lab", refuse)
    assert main(["lab", "dsl", "--", "sh", "--help"]) == 1
    assert capsys.readouterr().err == "blinktun lab: made\n"
