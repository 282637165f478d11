from __future__ import annotations

import json
from typing import Any

import pytest

from blinktun._core import StreamClass
from blinktun.config.blinksocks import blinksocks_from_document
from blinktun.config.document import parse_document
from blinktun.config.model import BlinksocksClient, BlinksocksServer, KcpLink
from blinktun.errors import ConfigError

LINK: dict[str, Any] = {"key": "secret", "presets": [{"name": "ss-base"}]}


def _client(service: str) -> KcpLink:
    values = {"service": "socks5://h:1", "server": {**LINK, "service": service}}
    config = blinksocks_from_document(parse_document(json.dumps(values), "b.json"))
    assert isinstance(config, BlinksocksClient)
    assert config.server.kcp
    return config.server.kcp


def _server(service: str) -> KcpLink:
    text = json.dumps({**LINK, "service": service})
    config = blinksocks_from_document(parse_document(text, "b.json"))
    assert isinstance(config, BlinksocksServer)
    assert config.server.kcp
    return config.server.kcp


def test_what_serves_best_without_a_word() -> None:
    client, server = _client("kcp://h:1"), _server("kcp://h:1")
    assert (client.kcp.smuxver, server.kcp.smuxver) == (2, None)
    for link in (client, server):
        assert link.kcp.key == "secret"
        assert link.kcp.crypt == "aes"
        assert link.kcp.nocomp
        assert link.kcp.is_auto
        assert link.conn == 1


def test_wide_windows_where_the_mode_is_not_auto() -> None:
    for link in (_client("kcp://h:1?mode=fast"), _server("kcp://h:1?ds=10")):
        assert not link.kcp.is_auto
        assert link.kcp.sndwnd == link.kcp.rcvwnd == 2048
    assert _client("kcp://h:1?rcvwnd=100").kcp.sndwnd == 2048


def test_a_setting_without_effect_is_named() -> None:
    values = {**LINK, "service": "kcp://h:1?mode=auto&sndwnd=5"}
    config = blinksocks_from_document(parse_document(json.dumps(values), "b.json"))
    warning = "service?sndwnd has no effect with mode auto: remove it, or write another mode"
    assert warning in config.warnings


@pytest.mark.parametrize("class_", StreamClass)
def test_the_class_of_its_streams(class_: StreamClass) -> None:
    assert _client(f"kcp://h:1?class={class_.value}").stream_class is class_
    assert _client("kcp://h:1").stream_class is StreamClass.LEARNED
    with pytest.raises(ConfigError, match="is unknown") as caught:
        _client("kcp://h:1?class=urgent")
    assert caught.value.key == "server.service?class"


def test_flags_of_kcptun() -> None:
    link = _client("kcp://h:1?crypt=aes-128-gcm&mode=fast3&ds=0&ps=0&conn=3&key=other&nocomp=false")
    assert link.kcp.crypt == "aes-128-gcm"
    assert (link.kcp.nodelay, link.kcp.interval) == (1, 10)
    assert (link.kcp.datashard, link.kcp.parityshard) == (0, 0)
    assert link.kcp.key == "other"
    assert not link.kcp.nocomp
    assert link.conn == 3


@pytest.mark.parametrize(
    ("service", "key", "problem"),
    [
        ("kcp://h:1?mtu=x", "service?mtu", "is not an integer"),
        ("kcp://h:1?mtu=9", "service?mtu", "is out of range"),
        ("kcp://h:1?crpt=aes", "service?crpt", "there is no such option"),
        ("kcp://h:1?listen=:1", "service?listen", "there is no such option"),
        ("kcp://h:1?workers=2", "service?workers", "there is no such option"),
        ("kcp://h:1?crypt=rot13", "service?crypt", "is unknown"),
        ("kcp://h:1?datashard=200&parityshard=100", "service?", ""),
    ],
)
def test_errors_name_the_parameter(service: str, key: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _server(service)
    assert caught.value.source == "b.json"
    assert caught.value.key.startswith(key)
    assert problem in caught.value.problem


@pytest.mark.parametrize("params", ["conn=2", "class=bulk"])
def test_what_is_for_clients(params: str) -> None:
    with pytest.raises(ConfigError, match="there is no such option"):
        _server(f"kcp://h:1?{params}")


def test_a_secret_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        _server("kcp://h:1?key=hunter2&mtu=9")
    assert "hunter2" not in str(caught.value)
