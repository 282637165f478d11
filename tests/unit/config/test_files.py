"""Files that a configuration names: beside it, else where the program was started."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from blinktun.config.kcptun import kcptun_flags, kcptun_from_flags
from blinktun.config.load import load
from blinktun.config.model import BlinksocksServer, KcptunClient
from blinktun.config.options import CLIENT
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

KEY = "k7#mQ2!xW9zR"
PRESETS = [{"name": "ss-base"}, {"name": "ss-aead-cipher"}]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The folder of the configuration, and the working directory."""
    here, there = tmp_path / "etc", tmp_path / "work"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(there)
    return here, there


def _server(here: Path, **values: object) -> BlinksocksServer:
    path = here / "s.json"
    base = {"service": "tcp://192.0.2.1:1", "key": KEY, "presets": PRESETS, "targets": "any"}
    path.write_text(json.dumps({**base, **values}))
    config = load(path)
    assert isinstance(config, BlinksocksServer)
    return config


def _kcptun(here: Path, **values: object) -> KcptunClient:
    path = here / "k.json"
    base = {"remoteaddr": "h:1", "key": KEY, "crypt": "aes-128-gcm"}
    path.write_text(json.dumps({**base, **values}))
    config = load(path)
    assert isinstance(config, KcptunClient)
    return config


def test_a_file_beside_the_configuration(folders: tuple[Path, Path]) -> None:
    here, there = folders
    for folder in folders:
        (folder / "acl.txt").write_text(f"{folder.name}.example 1\n")
    config = _server(here, acl=True, acl_conf="acl.txt")
    assert config.acl is not None
    assert [rule.text for rule in config.acl] == ["etc.example 1"]
    assert config.warnings == ()
    absolute = _server(here, acl=True, acl_conf=str(there / "acl.txt"))
    assert absolute.acl is not None
    assert absolute.acl[0].text == "work.example 1"


def test_one_in_the_working_directory_alone_is_found_with_a_warning(
    folders: tuple[Path, Path],
) -> None:
    here, there = folders
    for name in ("cert.pem", "key.pem"):
        (there / name).touch()
    config = _server(here, service="tls://192.0.2.1:1", tls_cert="cert.pem", tls_key="key.pem")
    assert config.server.tls.cert is not None
    assert config.server.tls.cert.absolute() == there / "cert.pem"
    assert [f"write {there / name}" in text for name, text in zip(
        ("cert.pem", "key.pem"), config.warnings, strict=True
    )] == [True, True]  # fmt: skip


def test_one_that_is_nowhere_is_wanted_beside_the_configuration(
    folders: tuple[Path, Path],
) -> None:
    here, _ = folders
    with pytest.raises(ConfigError) as caught:
        _server(here, service="tls://192.0.2.1:1", tls_cert="cert.pem", tls_key="key.pem")
    assert (caught.value.key, caught.value.fix) == ("tls_cert", f"put it at {here}/cert.pem")
    with pytest.raises(ConfigError, match="tls_cert: is missing"):
        _server(here, service="tls://192.0.2.1:1")


def test_files_of_presets_too(folders: tuple[Path, Path]) -> None:
    here, there = folders
    (there / "heads.txt").touch()
    presets = [*PRESETS, {"name": "obfs-http", "params": {"file": "heads.txt"}}]
    assert _server(here, presets=presets).server.presets[2].params["file"] == "heads.txt"
    (here / "heads.txt").touch()
    assert _server(here, presets=presets).server.presets[2].params["file"] == str(
        here / "heads.txt"
    )


def test_logs_are_written_beside_the_configuration(folders: tuple[Path, Path]) -> None:
    here, there = folders
    assert _server(here, log_path="bs.log").log.path == here / "bs.log"
    config = _kcptun(here, log="k.log", snmplog="snmp-2006.csv")
    assert (config.log.path, config.reports.snmplog) == (
        here / "k.log",
        str(here / "snmp-2006.csv"),
    )
    assert config.warnings == ()
    assert _kcptun(here, log=str(there / "k.log")).log.path == there / "k.log"
    assert _kcptun(here).log.path is None


def test_logs_that_are_in_the_working_directory_already_go_on_there(
    folders: tuple[Path, Path],
) -> None:
    here, there = folders
    (there / "bs.log.2026-01-02").touch()
    config = _server(here, log_path="bs.log")
    assert config.log.path is not None
    assert config.log.path.absolute() == there / "bs.log"
    assert f"write {there / 'bs.log'}" in config.warnings[0]


def test_logs_of_a_folder_that_cannot_be_written_to(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = folders
    monkeypatch.setattr(os, "access", lambda path, _mode: str(path) != str(here))
    config = _kcptun(here, log="k.log")
    assert config.log.path is not None
    assert config.log.path.absolute() == there / "k.log"
    assert "log is taken from the working directory" in config.warnings[0]


def test_paths_of_a_command_line_start_at_the_working_directory(
    folders: tuple[Path, Path],
) -> None:
    here, _ = folders
    (here / "k.json").write_text('{"remoteaddr": "h:1", "snmplog": "s.csv"}')
    flags = kcptun_flags(["-log", "k.log", "-c", str(here / "k.json")])
    config = kcptun_from_flags(flags, CLIENT, {})
    assert str(config.log.path) == "k.log"
    assert config.reports.snmplog == str(here / "s.csv")
