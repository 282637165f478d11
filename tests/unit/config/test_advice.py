from __future__ import annotations

import json

import pytest

from blinktun.config.blinksocks import blinksocks_from_document
from blinktun.config.document import parse_document
from blinktun.config.kcptun import kcptun_from_document
from blinktun.config.model import BY_HAND
from blinktun.config.options import CLIENT


def advice(**values: object) -> tuple[str, ...]:
    return kcptun_from_document(parse_document(json.dumps(values), "k.json"), CLIENT, {}).advice


def test_a_file_that_leaves_tuning_alone_gets_none() -> None:
    assert advice() == advice(mode="auto", sndwnd=5) == advice(mtu=1200, up="1mbit") == ()


def test_settings_that_go_are_named_with_what_they_did() -> None:
    assert advice(mode="fast2", sndwnd=128, rcvwnd=512, datashard=10, parityshard=3) == (
        (
            "mode auto finds these while sessions run, whatever the other end is: delete mode,"
            " sndwnd, rcvwnd, datashard, parityshard"
        ),
        (
            "mode fast2: nodelay 1, interval 20, resend 2, nc 1; sessions find their rate within"
            " the windows"
        ),
        "sndwnd 128: this end sends 13.8 Mbit/s at most at a round trip of 100 ms",
        "rcvwnd 512: the other end sends 55.3 Mbit/s at most at a round trip of 100 ms",
        "datashard 10, parityshard 3: 30% more datagrams, whether any are lost or not",
    )


def test_defaults_that_come_with_them_are_named_too() -> None:
    head, mode, resend, parity = advice(resend=5)
    assert head.endswith(": delete resend")
    assert mode.startswith("mode fast, which counts beside settings by hand: nodelay 0, ")
    assert resend == "resend 2: no effect, as mode fast sets it"
    assert parity.startswith("datashard 10, parityshard 3 (the default by hand): 30% more")


def test_manual_and_no_parity() -> None:
    _, mode, *rest = advice(mode="manual", nc=0, resend=5, parityshard=0)
    assert mode.endswith("; sessions slow down after each loss")
    assert rest == [
        "resend 5: with nc 0, so many later segments are acknowledged before one is sent again",
        "nc 0: 0 has the congestion window of KCP, 1 finds the rate within the windows",
        "datashard 10, parityshard 0: no parity, as with mode auto",
    ]


@pytest.mark.parametrize("name", BY_HAND)
def test_each_setting_by_hand_has_its_words(name: str) -> None:
    value = 10 if name == "interval" else 1
    head, *lines = advice(mode="manual", **{name: value})
    assert head.endswith(f": delete mode, {name}")
    assert any(f"{name} {value}" in line for line in lines[1:])


def test_a_service_is_advised_too() -> None:
    values = {"key": "secret", "presets": [{"name": "ss-base"}], "service": "kcp://h:1?ds=0"}
    config = blinksocks_from_document(parse_document(json.dumps(values), "b.json"))
    assert config.advice[0].endswith(": delete service?datashard")
