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
    assert len(server.server.key) == 32
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
    mine.chmod(0o644)
    assert main(["init", "-m"]) == 1
    assert mine.read_text() == "mine"
    assert not (tmp_path / "blinksocks.server.json").exists()  # it would not fit
    out = capsys.readouterr().out
    assert out == '> blinksocks.client.json exist: nothing written. Use "-w" to overwrite.\n'
    assert main(["init", "-m", "--write"]) == 0
    assert json.loads(mine.read_text())["service"] == "socks5://127.0.0.1:1080"
    assert mine.stat().st_mode & 0o777 == 0o600
    assert mine.read_text().endswith("}\n")


def test_the_files_are_safe_unless_compatible_ones_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for flags, preset, method in (
        ([], "ss-aead-cipher", "aes-256-gcm"),
        (["-w", "-c", "compat"], "ss-stream-cipher", "aes-128-ctr"),
        (["--choice", "safe", "-w"], "ss-aead-cipher", "aes-256-gcm"),
    ):
        assert main(["init", "-m", *flags]) == 0
        config = load(tmp_path / "blinksocks.server.json")
        assert isinstance(config, BlinksocksServer)
        assert config.server.presets[-1].name == preset
        assert config.server.presets[-1].params["method"] == method
        assert bool(config.warnings) == (preset == "ss-stream-cipher"), config.warnings


@pytest.mark.parametrize("flags", [["-c"], ["-c", "comapt"], ["-c", "-m"]])
def test_an_unknown_choice_writes_nothing(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", *flags]) == 2
    assert list(tmp_path.iterdir()) == []


def test_init_has_a_page_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--help"]) == 0
    assert "usage: blinksocks init" in capsys.readouterr().out


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
