"""Files of blinksocks 2.x."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from blinktun.address import Address
from blinktun.config import BlinksocksClient, BlinksocksServer
from blinktun.config.blinksocks import blinksocks_from_document
from blinktun.config.document import parse_document
from blinktun.config.model import Inbound
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

Values = dict[str, object]
PRESETS: list[Values] = [{"name": "ss-base"}, {"name": "ss-aead-cipher"}]


def read(values: Values) -> BlinksocksClient | BlinksocksServer:
    return blinksocks_from_document(parse_document(json.dumps(values), "b.json"))


def item(**changes: object) -> Values:
    base: Values = {
        "enabled": True, "transport": "tcp", "host": "h.example", "port": 7000,
        "key": "k7#mQ2!xW9zR", "presets": PRESETS,
    }  # fmt: skip
    return {**base, **changes}


def old(**changes: object) -> Values:
    return {"host": "localhost", "port": 1080, "servers": [item()], **changes}


def client(**changes: object) -> BlinksocksClient:
    config = read(old(**changes))
    assert isinstance(config, BlinksocksClient)
    return config


def test_client_of_2_5() -> None:
    config = client(workers=0)
    assert (config.inbound, config.listen) == (Inbound.AUTO, Address("localhost", 1080))
    assert config.server.transport == "tcp"
    assert config.server.address == Address("h.example", 7000)
    assert [preset.name for preset in config.server.presets] == ["ss-base", "ss-aead-cipher"]
    assert len(config.warnings) == 2
    assert "workers" in config.warnings[0]
    assert "servers" in config.warnings[1]


def test_server_of_2_5() -> None:
    values = item(host="::", port=7001, workers=2)
    del values["enabled"]
    config = read(values)
    assert isinstance(config, BlinksocksServer)
    assert config.server.address == Address("::", 7001)
    assert [warning.split()[0] for warning in config.warnings] == ["workers", "clients"]


def test_the_first_enabled_server_is_used() -> None:
    servers: list[object] = [
        item(enabled=False, host="a"), "?", item(enabled=1, host="b"), item(host="c")
    ]  # fmt: skip
    assert client(servers=servers).server.address.host == "b"


def test_servers_in_the_form_of_3() -> None:
    new = {"enabled": True, "service": "tcp://s:1", "key": "k", "presets": PRESETS}
    values: Values = {"service": "http://127.0.0.1:8080", "servers": [new]}
    config = read(values)
    assert isinstance(config, BlinksocksClient)
    assert (config.inbound, config.server.address) == (Inbound.HTTP, Address("s", 1))


def test_a_service_wins_over_host_and_port() -> None:
    assert client(service="http://127.0.0.1:8080").inbound is Inbound.HTTP


@pytest.mark.parametrize("service", [None, "tcp://localhost:1080"])
def test_dstaddr(service: str | None) -> None:
    changes: Values = {"dstaddr": {"host": "::1", "port": 80}}
    config = client(**changes, **({"service": service} if service else {}))
    assert (config.inbound, config.forward) == (Inbound.TCP, Address("::1", 80))
    assert config.listen == Address("localhost", 1080)


def test_dstaddr_beside_a_proxy_has_no_meaning() -> None:
    config = client(service="socks5://h:1", dstaddr={"host": "a", "port": 80})
    assert config.forward is None
    assert any("dstaddr" in warning for warning in config.warnings)


@pytest.mark.parametrize("name", ["proxy", "tunnel"])
def test_presets_that_became_a_forward(name: str) -> None:
    presets = [{"name": name, "params": {"host": "t", "port": 22}}, *PRESETS]
    config = client(servers=[item(presets=presets)])
    assert (config.inbound, config.forward) == (Inbound.TCP, Address("t", 22))
    assert len(config.server.presets) == 2


@pytest.mark.parametrize("name", ["proxy", "stats", "tracker"])
def test_presets_that_do_nothing_any_more(name: str) -> None:
    config = client(servers=[item(presets=[{"name": name}, *PRESETS])])
    assert len(config.server.presets) == 2
    assert any(f"server.presets[0] ({name})" in warning for warning in config.warnings)


def test_a_log_directory_gets_a_file_name(tmp_path: Path) -> None:
    assert client(log_path=str(tmp_path)).log.path == tmp_path / "bs-client.log"
    values = item(log_path=str(tmp_path))
    del values["enabled"]
    assert read(values).log.path == tmp_path / "bs-server.log"


@pytest.mark.parametrize(
    ("values", "key", "fix"),
    [
        (old(servers={}), "servers", '"server"'),
        (old(servers=[]), "servers", '"enabled": true'),
        (old(servers=[item(enabled=False)]), "servers", '"enabled": true'),
        (old(host=""), "host", "name or an IP"),
        (old(host=7), "host", "name or an IP"),
        (old(host="a b"), "host", "name or an IP"),
        (old(port="1080"), "port", "1..65535"),
        (old(port=0), "port", "1..65535"),
        (old(port=65536), "port", "1..65535"),
        (old(port=True), "port", "1..65535"),
        ({"port": 1, "servers": [item()]}, "host", "name or an IP"),
        (old(servers=[item(port=None)]), "server.port", "1..65535"),
        (old(servers=[item(host=None)]), "server.host", "name or an IP"),
        (old(servers=[item(transport=1)]), "server.transport", '"tcp"'),
        (old(servers=[item(password="x")]), "server.password", "did you mean key?"),
        (old(dstaddr="h:1"), "dstaddr", '"host"'),
        (old(dstaddr={"host": "h"}), "dstaddr.port", "1..65535"),
        (
            old(servers=[item(presets=[{"name": "tunnel", "params": {"host": "h"}}])]),
            "server.presets[0].params.port",
            "1..65535",
        ),
        (
            item(presets=[{"name": "access-control"}, *PRESETS]),
            "presets[0].params.acl",
            '"acl_conf"',
        ),
    ],
)
def test_errors_use_the_old_names(values: Values, key: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(values)
    assert (caught.value.source, caught.value.key) == ("b.json", key)
    assert fix in caught.value.fix


def test_access_control_of_2_x(tmp_path: Path) -> None:
    rules = tmp_path / "acl.txt"
    rules.write_text("*:25 1\n")
    control: Values = {"name": "access-control", "params": {"acl": str(rules), "max_tries": 60}}
    values = item(presets=[control, *PRESETS])
    del values["enabled"]
    config = read(values)
    assert isinstance(config, BlinksocksServer)
    assert config.acl is not None
    assert [rule.text for rule in config.acl] == ["*:25 1"]
    assert [preset.name for preset in config.server.presets] == ["ss-base", "ss-aead-cipher"]
    assert "presets[0].params.max_tries" in config.warnings[0]
    assert "access-control" in " ".join(
        client(servers=[item(presets=[control, *PRESETS])]).warnings
    )
