"""Files that a configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blinktun.config.files import existing_file
from blinktun.config.options import SERVER
from blinktun.config.options_blinksocks import LINK_OPTIONS
from blinktun.config.settings import Settings
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def _settings(**values: object) -> Settings:
    settings = Settings(LINK_OPTIONS, SERVER, source="s.json")
    settings.read(values)
    return settings


def test_a_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "cert.pem"
    path.touch()
    assert existing_file(_settings(tls_cert=str(path)), "tls_cert") == path


def test_one_that_is_not(tmp_path: Path) -> None:
    for values in ({}, {"tls_cert": ""}, {"tls_cert": str(tmp_path)}):
        with pytest.raises(ConfigError, match="tls_cert"):
            existing_file(_settings(**values), "tls_cert")
