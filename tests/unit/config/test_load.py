"""Which program a file is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blinktun.config import BlinksocksServer, KcptunClient, KcptunServer, load
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

BLINKSOCKS = '{"service": "tcp://h:1", "key": "k", "presets": [{"name": "ss-base"}]}'

SHADOWSOCKS = '{"server": "h", "server_port": 8388, "password": "p", "method": "aes-256-gcm"}'


@pytest.mark.parametrize(
    ("text", "program", "role"),
    [
        ('{"localaddr": ":1"}', None, KcptunClient),
        ('{"Target": ":1"}', None, KcptunServer),
        ('{"mtu": 1200}', "kcptun-client", KcptunClient),
        ('{"mtu": 1200}', "kcptun-server", KcptunServer),
        ('{"listen": ":1"}', "kcptun", KcptunServer),
        (BLINKSOCKS, None, BlinksocksServer),
        (BLINKSOCKS, "blinksocks", BlinksocksServer),
    ],
)
def test_the_keys_or_the_caller_tell(
    tmp_path: Path, text: str, program: str | None, role: type
) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    config = load(path, program=program)
    assert isinstance(config, role)
    assert config.source == str(path)


@pytest.mark.parametrize(
    ("text", "program", "problem"),
    [
        ("{}", None, "for neither"),
        ('{"mtu": 1200}', None, "for neither"),
        ('{"localaddr": ":1", "service": "tcp://h:1"}', None, "localaddr of kcptun and service"),
        ('{"mtu": 1200}', "kcptun", "does not say"),
        (BLINKSOCKS, "kcptun-client", "is a file of blinksocks .*blinksocks -c FILE"),
        ('{"localaddr": ":1"}', "blinksocks", "is a file of kcptun .*kcptun -c FILE"),
        (SHADOWSOCKS, None, "is a file of shadowsocks; .*ss-aead-cipher"),
        (SHADOWSOCKS, "blinksocks", "is a file of shadowsocks"),
        (SHADOWSOCKS, "kcptun-server", "is a file of shadowsocks"),
        ('{"inbounds": [], "outbounds": []}', None, "is a file of v2ray"),
    ],
)
def test_files_for_nobody(tmp_path: Path, text: str, program: str | None, problem: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem) as caught:
        load(path, program=program)
    assert caught.value.source == str(path)
    assert caught.value.fix


def test_an_unknown_program_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kcptn"):
        load(tmp_path / "x.json", program="kcptn")
