from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

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
    # Acknowledgements always leave at once; tcp chooses the call; the key goes in derived, and as
    # pads if QPP is wanted.
    elsewhere = {"key", "acknodelay", "tcp", "qpp", "qpp_count", "qpp_revision"}
    names = {field.name for field in fields(KcpSettings)} - elsewhere | {"pass_", "pads"}
    assert set(given) == names
    assert given["pads"] is None
    assert given["pass_"] == _core.derive_key(b"k")
    assert (given["nodelay"], given["nc"], given["keepalive"]) == (True, False, 7.0)


def test_pads_are_made_once_from_the_key_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[bytes, int, str]] = []
    real = _core.Pads

    def pads(key: bytes, count: int, revision: str) -> _core.Pads:
        made.append((key, count, revision))
        return real(key, count, revision)

    monkeypatch.setattr(_core, "Pads", pads)
    settings = KcpSettings(key="grün", qpp=True, qpp_count=7, qpp_revision="A")
    core_config(settings)
    core_config(replace(settings, mtu=1200))
    assert made == [("grün".encode(), 7, "A")]
    core_config(replace(settings, qpp_revision="M"))
    core_config(replace(settings, qpp=False, key="other"))
    assert made[1:] == [("grün".encode(), 7, "M")]


@pytest.mark.parametrize(
    ("change", "name"), [({"qpp_count": 0}, "qpp_count"), ({"qpp_revision": "C"}, "qpp_revision")]
)
def test_pads_that_cannot_be_are_a_configuration_error(change: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        core_config(replace(KcpSettings(key="k", qpp=True), **change))


def test_what_the_core_refuses_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="mtu"):
        core_config(replace(KcpSettings(), mtu=1501))
