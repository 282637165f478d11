"""What ciphers and presets protect."""

from __future__ import annotations

import pytest
from tests.unit.config.blinksocks import server

from blinktun.config.options_kcptun import CRYPTS
from blinktun.config.protection import (
    Level,
    integrity_of_crypt,
    integrity_of_link,
    replays_of_crypt,
    replays_of_link,
)


def test_one_packet_cipher_has_integrity() -> None:
    assert [c for c in CRYPTS if integrity_of_crypt(c) is Level.YES] == ["aes-128-gcm"]
    assert [c for c in CRYPTS if replays_of_crypt(c) is Level.NO] == ["xor", "none", "null"]


ID = "c2485913-4e9e-41eb-8cc5-b2e7db8d3bc7"


@pytest.mark.parametrize(
    ("presets", "integrity", "replays"),
    [
        (["ss-base", "ss-aead-cipher"], Level.YES, Level.YES),
        (["ss-base", "obfs-random-padding", "aead-random-cipher"], Level.YES, Level.YES),
        (["ss-base", "ss-stream-cipher"], Level.NO, Level.YES),
        (["base-auth"], Level.NO, Level.NO),
        (["ss-base", "obfs-random-padding"], Level.NO, Level.NO),
        (["ss-base", "ssr-auth-aes128-md5", "ss-stream-cipher"], Level.WEAK, Level.YES),
        (["v2ray-vmess"], Level.YES, Level.YES),
        (["mine.presets:Mine", "ss-base"], Level.UNKNOWN, Level.UNKNOWN),
    ],
)
def test_levels_of_presets(presets: list[str], integrity: Level, replays: Level) -> None:
    params = {"aead-random-cipher": {"method": "aes-128-gcm"}, "v2ray-vmess": {"id": ID}}
    link = server(
        presets=[
            {"name": name, **({"params": params[name]} if name in params else {})}
            for name in presets
        ]
    ).server
    assert (integrity_of_link(link), replays_of_link(link)) == (integrity, replays)


def test_a_vmess_without_a_cipher_and_kcp_with_one() -> None:
    vmess = {"name": "v2ray-vmess", "params": {"id": ID, "security": "none"}}
    assert integrity_of_link(server(presets=[vmess]).server) is Level.NO
    base = [{"name": "ss-base"}]
    link = server(service="kcp://h:1?crypt=aes-128-gcm", presets=base).server
    assert integrity_of_link(link) is Level.YES
    assert integrity_of_link(server(service="kcp://h:1", presets=base).server) is Level.NO
