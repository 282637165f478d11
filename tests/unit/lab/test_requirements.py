from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from blinktun.errors import LabError
from blinktun.lab import requirements

if TYPE_CHECKING:
    from pathlib import Path


def test_all_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(requirements, "TUN", tmp_path / "tun")
    monkeypatch.setattr(requirements, "ip_program", lambda: None)
    with pytest.raises(LabError) as missing:
        requirements.require()
    for part in ("needs root: run it with sudo", "install iproute2", f"{tmp_path}/tun: modprobe"):
        assert part in str(missing.value)


def test_nothing_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(requirements, "TUN", tmp_path)
    monkeypatch.setattr(requirements, "ip_program", lambda: "/sbin/ip")
    requirements.require()


def test_other_systems_have_no_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(LabError, match=r"^a lab needs Linux, which has network namespaces$"):
        requirements.require()


def test_ip_is_found_where_only_root_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(requirements, "_SYSTEM_FOLDERS", str(tmp_path))
    assert requirements.ip_program() is None
    (tmp_path / "ip").write_text("")
    (tmp_path / "ip").chmod(0o755)
    assert requirements.ip_program() == str(tmp_path / "ip")
