from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from blinktun.app import make_role
from blinktun.cli.blinksocks import main
from blinktun.config import BlinksocksClient, BlinksocksServer
from blinktun.config.load import load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("flags", [[], ["-m"], ["--minimal"]])
def test_the_files_fit_together_and_can_be_used(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", *flags]) == 0
    client = load(tmp_path / "blinksocks.client.json")
    server = load(tmp_path / "blinksocks.server.json")
    assert isinstance(client, BlinksocksClient)
    assert isinstance(server, BlinksocksServer)
    assert client.server.key == server.server.key
    assert len(server.server.key) == 16
    assert client.server.address.port == server.server.address.port
    assert client.server.presets == server.server.presets
    assert client.timeout == server.timeout
    for config in (client, server):
        make_role(config)
    assert ((tmp_path / "blinksocks.server.json").stat().st_mode & 0o077) == 0


def test_all_keys_in_the_originals_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    main(["init"])
    client = json.loads((tmp_path / "blinksocks.client.json").read_text())
    server = json.loads((tmp_path / "blinksocks.server.json").read_text())
    assert " ".join(client) == (
        "service server https_key https_cert dns dns_expire timeout log_path log_level log_max_days"
    )
    assert " ".join(client["server"]) == (
        "service key presets tls_cert tls_cert_self_signed mux mux_concurrency"
    )
    assert " ".join(server) == (
        "service key presets tls_key tls_cert acl acl_conf mux dns dns_expire timeout redirect"
        " log_path log_level log_max_days targets"
    )
    main(["init", "-m", "-w"])
    server = json.loads((tmp_path / "blinksocks.server.json").read_text())
    assert " ".join(server) == "service key presets targets"


def test_what_is_there_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "blinksocks.client.json"
    mine.write_text("mine")
    assert main(["init", "-m"]) == 0
    assert mine.read_text() == "mine"
    assert '> File blinksocks.client.json exist, skip. Use "-w" to overwrite.' in (
        capsys.readouterr().out
    )
    assert main(["init", "-m", "--write"]) == 0
    assert json.loads(mine.read_text())["service"] == "socks5://127.0.0.1:1080"


def test_keys_differ_from_run_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keys = set()
    for _ in range(3):
        main(["init", "-m", "-w"])
        keys.add(json.loads((tmp_path / "blinksocks.server.json").read_text())["key"])
    assert len(keys) == 3


def test_what_cannot_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--minmal"]) == 2
    assert "did you mean --minimal" in capsys.readouterr().err
    (tmp_path / "blinksocks.client.json").mkdir()
    assert main(["init", "-w"]) == 2
    assert "cannot be written" in capsys.readouterr().err
