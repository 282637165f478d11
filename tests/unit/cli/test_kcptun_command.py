"""``kcptun``, ``kcptun-client`` and ``kcptun-server``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blinktun.address import Address
from blinktun.cli import kcptun
from blinktun.config import KcptunClient, KcptunServer, RoleConfig
from blinktun.config.options_kcptun import KCPTUN_OPTIONS
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FunctionType

COMMANDS = [kcptun.main, kcptun.client_main, kcptun.server_main]


def test_the_status_is_that_of_the_run(launched: list[RoleConfig]) -> None:
    assert kcptun.client_main(["-l", ":1", "-r", "host:2", "-mode=fast3"]) == 7
    (config,) = launched
    assert isinstance(config, KcptunClient)
    assert (config.localaddr, config.kcp.interval) == (Address("", 1), 10)


def test_kcptun_takes_its_side_from_flags_or_file(
    launched: list[RoleConfig], tmp_path: Path
) -> None:
    path = tmp_path / "k.json"
    path.write_text('{"target": "a:1"}')
    assert kcptun.main(["-r", "host:2", "-l", ":5"]) == 7
    assert kcptun.main(["-c", str(path), "-l", ":5"]) == 7
    assert [type(config) for config in launched] == [KcptunClient, KcptunServer]
    assert isinstance(launched[1], KcptunServer)
    assert launched[1].listen.first == 5


@pytest.mark.parametrize("flag", ["-h", "-v"])
def test_what_nobody_reads_is_no_traceback(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert kcptun.client_main([flag]) == 1


def test_arguments_default_to_those_of_the_process(
    launched: list[RoleConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["kcptun-server", "-t", "host:9"])
    assert kcptun.server_main() == 7
    assert isinstance(launched[0], KcptunServer)
    assert launched[0].target == Address("host", 9)


def test_the_variable_is_heard(launched: list[RoleConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KCPTUN_KEY", "v")
    kcptun.client_main([])
    assert isinstance(launched[0], KcptunClient)
    assert launched[0].kcp.key == "v"


def test_as_a_plugin_it_does_as_its_host_says_and_ends_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[RoleConfig, float]] = []

    def run(configs: Sequence[RoleConfig], *, grace: float) -> int:
        seen.append((configs[0], grace))
        return 7

    monkeypatch.setattr("blinktun.app.run", run)
    for side in ("REMOTE", "LOCAL"):
        monkeypatch.setenv(f"SS_{side}_HOST", "::1")
        monkeypatch.setenv(f"SS_{side}_PORT", "5")
    monkeypatch.setenv("SS_PLUGIN_OPTIONS", "mtu=1200")
    assert kcptun.client_main(["--fast-open", "-conn", "3"]) == 7
    ((config, grace),) = seen
    assert isinstance(config, KcptunClient)
    assert (config.localaddr, config.kcp.mtu, config.link.conn) == (Address("::1", 5), 1200, 3)
    assert grace == 0


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "-help", "--help"])
def test_help_has_every_flag(
    command: FunctionType,
    flag: str,
    capsys: pytest.CaptureFixture[str],
    launched: list[RoleConfig],
) -> None:
    assert command(["-mtu", "1200", flag]) == 0
    text = capsys.readouterr().out
    side = {"client_main": "client", "server_main": "server"}.get(command.__name__)
    for option in KCPTUN_OPTIONS:
        present = side is None or side in option.defaults
        flags = ", ".join(f"-{name}" for name in option.flags)
        assert (f"  {flags} " in text or f"  {flags}\n" in text) is present
    assert "default 1350" in text
    assert "example: kcptun" in text
    assert max(map(len, text.splitlines())) <= 100
    assert launched == []


def test_version(capsys: pytest.CaptureFixture[str], launched: list[RoleConfig]) -> None:
    assert kcptun.client_main(["-v"]) == 0
    assert capsys.readouterr().out.startswith("kcptun-client (blinktun) ")
    assert launched == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"conn": 0}', "{path}: conn = 0: is out of range; write an integer, 1..65535"),
        ('{"mdoe": "x"}', "{path}: mdoe: there is no such key; did you mean mode?"),
        (
            '{"mtu": }',
            (
                "{path}: line 1, column 9: is not JSON (expecting value); check quotes,"
                " commas and brackets there"
            ),
        ),
        (
            '{"qpp-revision": "C"}',
            '{path}: qpp-revision = "C": is unknown; known: A, M, B',
        ),
        (
            '{"log": "/nowhere/k.log"}',
            (
                'log = "/nowhere/k.log": cannot be written: No such file or'
                " directory; name a file that can be written, or leave it out"
            ),
        ),
        (
            '{"listen": ":1"}',
            (
                "{path}: listen: is not for a client; run kcptun-client (localaddr,"
                " remoteaddr) or kcptun-server (listen, target)"
            ),
        ),
    ],
)
def test_errors_are_one_line_and_status_2(
    text: str,
    line: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    launched: list[RoleConfig],
) -> None:
    path = tmp_path / "k.json"
    path.write_text(text)
    assert kcptun.client_main(["-c", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"kcptun-client: {line.replace('{path}', str(path))}\n"
    assert captured.out == ""
    assert launched == []


@pytest.mark.parametrize(
    "arguments", [[], ["-l", ":1"], ["-r", "a:1", "-t", "b:2"], ["-c", "missing.json"], ["-mode"]]
)
def test_errors_of_the_command_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str], launched: list[RoleConfig]
) -> None:
    assert kcptun.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("kcptun: ")
    assert error.count("\n") == 1
    assert launched == []


def test_secrets_stay_out_of_every_message(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, launched: list[RoleConfig]
) -> None:
    secret = "hunter2-hunter2"
    path = tmp_path / "k.json"
    path.write_text(json.dumps({"key": {"x": secret}}))
    for arguments in (
        ["-kye", secret],
        ["-key", "a", secret, "-crypt", secret],
        ["-key", secret, "-conn", "0"],
        ["-c", str(path)],
    ):
        assert kcptun.client_main(arguments) == 2
    assert secret not in capsys.readouterr().err
    assert launched == []


def test_an_error_found_late_ends_the_same_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], launched: list[RoleConfig]
) -> None:
    def run(_configs: Sequence[RoleConfig]) -> int:
        raise ConfigError("cannot be", fix="try another", source="x.json")

    monkeypatch.setattr("blinktun.app.run", run)
    assert kcptun.client_main([]) == 2
    assert capsys.readouterr().err == "kcptun-client: x.json: cannot be; try another\n"
    assert launched == []
