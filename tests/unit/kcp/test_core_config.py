from __future__ import annotations

from dataclasses import fields, replace

import pytest

from blinktun import _core
from blinktun.config.model import KcpSettings
from blinktun.config.options_kcptun import SUPPORTED_CRYPTS
from blinktun.errors import ConfigError
from blinktun.kcp.core_config import core_config


@pytest.mark.parametrize("crypt", SUPPORTED_CRYPTS)
def test_the_core_has_every_cipher_that_the_options_offer(crypt: str) -> None:
    assert isinstance(core_config(KcpSettings(crypt=crypt)), _core.Config)


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
