from __future__ import annotations

import asyncio
import json
import re
import socket
from typing import TYPE_CHECKING

import pytest
from tests.unit.tunnel.applications import exchange, socks5

from blinktun.app.fusion import make_roles
from blinktun.app.roles import start_all, stop_all
from blinktun.cli.main import main
from blinktun.config.load import load
from blinktun.config.model import BlinksocksClient, BlinksocksServer, KcptunClient, KcptunServer
from blinktun.config.pairs import differences, shared_ports
from blinktun.config.protection import Level, integrity_of_crypt, integrity_of_link
from blinktun.testing.loopback import echo, serving

if TYPE_CHECKING:
    from pathlib import Path

    from blinktun.config.model import RoleConfig

FOUR = ("kcptun.server", "blinksocks.server", "kcptun.client", "blinksocks.client")
TWO = ("blinksocks.server", "blinksocks.client")
KINDS = [pytest.param([], FOUR, id="four"), pytest.param(["--kcp"], TWO, id="kcp")]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(folder: Path, names: tuple[str, ...]) -> list[RoleConfig]:
    return [load(folder / f"{name}.json") for name in names]


@pytest.mark.parametrize(("flags", "names"), KINDS)
def test_files_fit_together_are_safe_and_private(
    flags: list[str], names: tuple[str, ...], folder: Path
) -> None:
    assert main(["init", *flags, "vps.example.org"]) == 0
    assert {file.name for file in folder.iterdir()} == {f"{name}.json" for name in names}
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    configs = loaded(folder, names)
    assert [config.warnings for config in configs] == [()] * len(names)
    assert [config.advice for config in configs] == [()] * len(names)
    assert list(differences(configs)) == list(shared_ports(configs)) == []
    for config in configs:
        match config:
            case KcptunClient() | KcptunServer():
                kcp = config.kcp
            case BlinksocksClient() | BlinksocksServer():
                assert integrity_of_link(config.server) is Level.YES
                if config.server.kcp is None:
                    continue
                kcp = config.server.kcp.kcp
        assert kcp.is_auto
        assert integrity_of_crypt(kcp.crypt) is Level.YES


def test_every_run_has_new_keys(folder: Path) -> None:
    keys: set[str] = set()
    for _ in range(3):
        assert main(["init", "--force"]) == 0
        keys |= {key for file in folder.iterdir() for key in _keys(file)}
    assert len(keys) == 6  # KCP's and that of the presets are two
    assert all(len(key) >= 40 for key in keys)


def _keys(file: Path) -> list[str]:
    return re.findall(r'"key": "([^"]*)"', file.read_text())


@pytest.mark.parametrize(("flags", "names"), KINDS)
def test_what_is_there_stays(
    flags: list[str], names: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = folder / f"{names[-1]}.json"
    mine.write_text("mine")
    mine.chmod(0o644)
    assert main(["init", *flags]) == 1
    assert list(folder.iterdir()) == [mine]
    assert mine.read_text() == "mine"
    assert capsys.readouterr().out == (
        f"{mine.name} exist: nothing written. Use --force to overwrite.\n"
    )
    assert main(["init", "--force", *flags]) == 0
    assert mine.stat().st_mode & 0o777 == 0o600
    assert json.loads(mine.read_text())


@pytest.mark.parametrize(("flags", "names"), KINDS)
def test_the_commands_to_start_both_ends_are_printed(
    flags: list[str], names: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["init", "h.example", *flags])
    commands = [line.strip() for line in capsys.readouterr().out.splitlines() if "  " in line]
    for end, command in zip(("server", "client"), commands, strict=False):
        files = " ".join(f"{name}.json" for name in names if name.endswith(end))
        assert command == f"blinktun run {files}"
    main(["init", "--force", *flags])
    assert "your server's name for example.com" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--froce"], "did you mean --force?"),
        (["a", "b"], "write blinktun init SERVER"),
        (["h:29900"], "without a port"),
        (["fe80::1%eth0"], "without a port"),
        (["a b"], "without a port"),
        ([""], "without a port"),
    ],
)
def test_wrong_arguments_are_named(
    arguments: list[str], words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("flags", "names"), KINDS)
@pytest.mark.parametrize("server", ["127.0.0.1", "::1", "[::1]"])
async def test_what_was_written_moves_bytes(
    flags: list[str], names: tuple[str, ...], server: str, folder: Path
) -> None:
    assert main(["init", *flags, server]) == 0
    _move(folder)
    roles = make_roles(loaded(folder, names))
    async with serving(echo) as target:
        await start_all(roles)
        try:
            app = await socks5(roles[-1].addresses[0], target)
            async with asyncio.timeout(20):
                data = bytes(range(256)) * 1000
                assert await exchange(app, data) == data
            app.abort()
        finally:
            await stop_all(roles, 0)


def _move(folder: Path) -> None:
    """Give the files ports that are free, and let the server dial the target of the test."""
    free: dict[str, str] = {}
    for file in folder.iterdir():
        text = file.read_text().replace('"remote"', '"any"')
        for port in ("1080", "12948", "29900", "30370"):
            if port not in free:
                with socket.create_server(("", 0)) as listener:
                    free[port] = str(listener.getsockname()[1])
            text = re.sub(rf"(?<=:){port}\b", free[port], text)
        file.write_text(text)
