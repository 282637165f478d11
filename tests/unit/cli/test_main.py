"""``blinktun`` and its subcommands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from blinktun import cli
from blinktun.cli.main import COMMANDS, main

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blinktun.config import RoleConfig

EXAMPLES = Path(__file__).parents[3] / "examples"
FILES = sorted(str(path) for path in EXAMPLES.glob("*.json"))


def test_run_takes_files_of_both_programs(launched: list[RoleConfig]) -> None:
    assert main(["run", *FILES]) == 7
    assert [config.source for config in launched] == FILES
    assert len(FILES) == 4


def test_run_starts_nothing_when_one_file_is_wrong(
    launched: list[RoleConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", FILES[0], "missing.json"]) == 2
    assert capsys.readouterr().err.startswith("blinktun: missing.json: cannot be read")
    assert launched == []


def test_check_says_what_files_mean(
    launched: list[RoleConfig], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *FILES]) == 0
    text = capsys.readouterr().out
    for part in (
        "blinksocks.client.json: blinksocks client\n  listens     socks5 127.0.0.1:1080\n",
        "  presets     ss-base > ss-stream-cipher (aes-128-ctr)\n",
        "  listens     tcp :12948 (every address)\n  server      udp example.com:29900\n",
        "  sessions    5, replaced after 200 s, closed 600 s later\n",
        "  correction  10 data + 3 parity\n",
        "  smux        version 1\n",
        "  smux        version 1 or 2, as the client speaks\n",
        "  timing      nodelay 1, interval 20 ms, resend 2, nc 1\n",
        "  warning     crypt none",
    ):
        assert part in text
    assert "cKW" not in text
    assert launched == []


def test_check_says_who_may_come(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rules, path = tmp_path / "acl.txt", tmp_path / "server.json"
    rules.write_text("*:25 1\n?\n")
    values = {"service": "tcp://0.0.0.0:1", "key": "k", "presets": [{"name": "ss-base"}]}
    path.write_text(json.dumps(values))
    assert main(["check", str(path)]) == 0
    assert "  without key kept waiting 5 to 10 s, then reset\n" in capsys.readouterr().out
    path.write_text(json.dumps({**values, "acl": True, "acl_conf": str(rules), "redirect": "h:2"}))
    assert main(["check", str(path)]) == 0
    text = capsys.readouterr().out
    assert "  rules       1, the last that fits counts\n  without key answered by h:2\n" in text
    assert "acl.txt: line 2 has a host" in text


def test_check_goes_on_after_a_wrong_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"listen": "[::1]:1", "parityshard": 0, "quiet": true, "log": "k.log"}')
    assert main(["check", "missing.json", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("blinktun: missing.json: ")
    assert "udp [::1]:1\n" in captured.out
    assert "correction  none\n" in captured.out
    assert "k.log, level info, connections not shown\n" in captured.out


def test_check_looks_at_the_parameters_of_presets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.json"
    preset = {"name": "ss-aead-cipher", "params": {"method": "aes-256"}}
    presets = [{"name": "ss-base"}, preset]
    path.write_text(json.dumps({"service": "tcp://h:7000", "key": "k", "presets": presets}))
    assert main(["check", str(path)]) == 2
    assert 'presets[1].params.method = "aes-256"' in capsys.readouterr().err


def test_check_shows_the_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "k.json"
    for period, often in ((5, "every 5 s"), (0, "never")):
        values = {"localaddr": ":1", "snmplog": "s-2006.csv", "snmpperiod": period, "pprof": True}
        path.write_text(json.dumps(values))
        assert main(["check", str(path)]) == 0
        shown = capsys.readouterr().out
        assert f"s-2006.csv, {often}" in shown
        assert "http://127.0.0.1:6060/debug/pprof/" in shown


def test_check_shows_what_is_not_as_usual(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.json"
    link = {"key": "k", "presets": [{"name": "ss-base"}, {"name": "ss-aead-cipher"}], "mux": True}
    kcp = {"tcp": True, "qpp": True, "ratelimit": 1000, "closewait": 5}
    for values, parts in (
        (
            {"listen": ":1", **kcp},
            (
                "  disguise    datagrams look like segments of TCP\n",
                "  QPP         61 pads of revision B\n",
                "  rate limit  1000 bytes a second a session\n",
                "  end of file passed on after 5 s\n",
            ),
        ),
        ({"listen": ":1", "workers": 3}, ("  workers     3 processes\n",)),
        (
            {"service": "socks://127.0.0.1:1", "server": {"service": "ws://h:2/way", **link}},
            ("  server      ws h:2/way\n", "  mux         10 connections at most\n"),
        ),
        (
            {"service": "kcp://127.0.0.1:2?crypt=sm4", "dns": ["9.9.9.9", "::1"], **link},
            (
                "  listens     kcp 127.0.0.1:2\n",
                "  crypt       sm4\n",
                "  mux         connections are shared\n",
                "  names       9.9.9.9, ::1 are asked\n",
            ),
        ),
    ):
        path.write_text(json.dumps(values))
        assert main(["check", str(path)]) == 0
        shown = capsys.readouterr().out
        for part in parts:
            assert part in shown


def test_check_shows_a_forward_and_that_a_password_is_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = Path(FILES[0]).read_text()
    path = tmp_path / "x.json"
    for service, shown in (
        ("socks5://user:hunter2@h:1", "socks5 h:1, asks for user and password"),
        ("tcp://h:1?forward=t:2", "forwards to t:2"),
    ):
        path.write_text(text.replace("socks5://127.0.0.1:1080", service))
        assert main(["check", str(path)]) == 0
        output = capsys.readouterr().out
        assert shown in output
        assert "hunter2" not in output


def test_demo_is_handed_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    def demo_main(arguments: Sequence[str]) -> int:
        assert arguments == ["x"]
        return 5

    demo = ModuleType("blinktun.cli.demo")
    monkeypatch.setattr(demo, "main", demo_main, raising=False)
    monkeypatch.setitem(sys.modules, "blinktun.cli.demo", demo)
    monkeypatch.setattr(cli, "demo", demo, raising=False)
    assert main(["demo", "x"]) == 5


@pytest.mark.parametrize("arguments", [[], ["help"], ["-h"], ["--help"]])
def test_help_names_the_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name}" in text for name in ("run", "check", "demo", "version", "help"))


@pytest.mark.parametrize("argument", ["version", "-v", "--version"])
def test_version(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([argument]) == 0
    text = capsys.readouterr().out
    assert re.fullmatch(r"blinktun \S+ \(CPython 3\.\d+\.\S+, Linux \S+\)\n", text)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("ask", [lambda name: [name, "--help"], lambda name: ["help", name]])
def test_every_command_has_a_page_of_its_own(
    name: str, ask: Callable[[str], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(ask(name)) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"blinktun {name}: {COMMANDS[name].summary}\n\nusage: blinktun {name}")


def test_python_m_blinktun_is_the_command() -> None:
    command = [sys.executable, "-m", "blinktun", "version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("blinktun ")


@pytest.mark.parametrize("argument", [*FILES, "missing.json"])
def test_check_ends_quietly_when_its_reader_has_left(argument: str) -> None:
    """As with ``| head -1``: the pipe is closed before anything is written."""
    command = [sys.executable, "-m", "blinktun", "check", argument, *FILES]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as out:
        done = subprocess.run(
            command, stdout=out, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def _pair(folder: Path, near: dict[str, object], far: dict[str, object]) -> list[str]:
    files = [folder / "near.json", folder / "far.json"]
    for file, values in zip(files, (near, far), strict=True):
        file.touch(mode=0o600)
        file.write_text(json.dumps(values))
    return [str(file) for file in files]


def test_check_compares_the_files_of_both_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = "a text that is long, and random?"
    near: dict[str, object] = {"remoteaddr": "example.com:29900", "key": key, "crypt": "aes"}
    far: dict[str, object] = {"listen": ":29900", "key": key, "crypt": "salsa20"}
    files = _pair(tmp_path, near, far)
    assert main(["check", *files]) == 2
    out = capsys.readouterr().out
    assert f"warning: {files[0]} and {files[1]} will not understand each other: crypt\n" in out
    _pair(tmp_path, near, {**far, "crypt": "aes"})
    assert main(["check", *files]) == 0
    assert "understand" not in capsys.readouterr().out


def test_check_names_files_that_others_can_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = _pair(tmp_path, {"remoteaddr": "h:1"}, {"listen": ":2"})
    Path(files[0]).chmod(0o644)
    assert main(["check", *files]) == 0
    out = capsys.readouterr().out
    fix = f"chmod o-rwx {files[0]}"
    assert f"every user of this machine can read this file, which holds the key: {fix}\n" in out
    assert out.count("every user of this machine") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chekc"], '"chekc" is no command; did you mean check?'),
        (["start", "x.json"], '"start" is no command; did you mean run?'),
        (["zzz"], '"zzz" is no command; commands: run, check, init, demo, lab, version, help'),
        (["run"], "run: names no file; write blinktun run FILE..."),
        (["check", "-x"], "check: takes files alone, no flags"),
    ],
)
def test_errors_are_one_line_and_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("blinktun: command line: ")
    assert message in error
    assert error.count("\n") == 1
