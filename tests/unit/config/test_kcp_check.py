from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from blinktun.config.kcp_check import check_settings
from blinktun.config.model import KcpSettings
from blinktun.errors import ConfigError

SETTINGS = KcpSettings(key="k")


def refusal(**change: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        check_settings(replace(SETTINGS, **change))
    return str(caught.value)


def test_defaults_are_fine_and_a_server_may_leave_the_version_open() -> None:
    check_settings(KcpSettings())
    check_settings(replace(SETTINGS, smuxver=None))


def test_a_refusal_names_the_field_the_value_and_what_to_write() -> None:
    assert refusal(framesize=0) == (
        "KcpSettings: framesize = 0: is out of range; write an integer, 1..65535 bytes"
    )
    assert refusal(keepalive=-1).startswith("KcpSettings: keepalive = -1: is out of range")
    assert refusal(crypt="ase").endswith("did you mean aes? (known: aes, aes-128, aes-192,"
        " aes-128-gcm, sm4, twofish, blowfish, cast5, 3des, tea, xtea, salsa20, xor, none, null)"
    )  # fmt: skip
    assert refusal(mtu="1350").startswith('KcpSettings: mtu = "1350": is not an integer')
    assert refusal(mtu=object()).startswith("KcpSettings: mtu = object: is not an integer")
    assert refusal(nocomp=1).startswith("KcpSettings: nocomp = 1: is not true or false")


def test_a_key_is_not_shown() -> None:
    assert refusal(key="\ud800").startswith("KcpSettings: key = (hidden): ")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"datashard": 200, "parityshard": 100}, "datashard"),
        ({"smuxbuf": 1000, "mode": "manual"}, "streambuf"),
        ({"streambuf": 134217729}, "streambuf"),
        ({"mtu": 77, "mode": "manual"}, "mtu"),
        ({"mtu": 69}, "mtu"),
    ],
)
def test_values_that_are_impossible_together(change: dict[str, Any], field: str) -> None:
    assert refusal(**change).startswith(f"KcpSettings: {field} = ")


def test_a_preset_is_for_files() -> None:
    assert refusal(mode="fast3") == (
        'KcpSettings: mode = "fast3": is no mode of the library; write auto, or manual with'
        " nodelay, interval, resend and nc"
    )


def test_other_things_are_no_settings() -> None:
    with pytest.raises(TypeError, match="not dict"):
        check_settings(cast("KcpSettings", {}))
