from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from blinktun import _core
from blinktun.config.model import KcpSettings
from blinktun.config.options_kcptun import CRYPTS
from blinktun.errors import ConfigError
from blinktun.kcp.core_config import core_config


@pytest.mark.parametrize("crypt", CRYPTS)
def test_the_core_has_every_cipher_that_the_options_offer(crypt: str) -> None:
    assert isinstance(core_config(KcpSettings(crypt=crypt)), _core.Config)


def test_the_options_offer_every_cipher_of_the_core() -> None:
    declared = (Path(__file__).parents[3] / "rust/blinktun-proto/src/crypt/mod.rs").read_text()
    names = re.findall(r'^    [A-Z]\w+, "([\w-]+)", ', declared, re.MULTILINE)
    assert sorted(names) == sorted(CRYPTS)


def test_every_setting_reaches_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}
    monkeypatch.setattr(_core, "Config", lambda **settings: given.update(settings))
    core_config(KcpSettings(key="k", nodelay=1, nc=0, keepalive=7))
    # Acknowledgements always leave at once; tcp chooses the call; the key goes in derived.
    names = {field.name for field in fields(KcpSettings)} - {"key", "acknodelay", "tcp"} | {"pass_"}
    assert set(given) == names
    assert given["pass_"] == _core.derive_key(b"k")
    assert (given["nodelay"], given["nc"], given["keepalive"]) == (True, False, 7.0)


def test_what_the_core_refuses_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="mtu"):
        core_config(replace(KcpSettings(), mtu=1501))
