"""Values that the originals take although no option should have them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.unit.config.blinksocks import client, link

from blinktun.config.document import parse_document
from blinktun.config.kcptun import kcptun_flags, kcptun_from_document, kcptun_from_flags
from blinktun.config.model import KcptunClient
from blinktun.config.options import CLIENT
from blinktun.config.tolerance import as_kcptun
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

KEY = ("-key", "a long random text, of course")

ROWS = [
    ("mtu", 1600, "mtu", 1400),
    ("mtu", 9000, "mtu", 1400),
    ("mtu", 49, "mtu", 1400),
    ("mtu", -5, "mtu", 1400),
    ("sndwnd", 0, "sndwnd", 32),
    ("sndwnd", -1, "sndwnd", 32),
    ("rcvwnd", 100000, "rcvwnd", 65535),
    ("dscp", 184, "dscp", 56),
    ("dscp", 64, "dscp", 0),
    ("dscp", -1, "dscp", 63),
    ("datashard", -1, "datashard", 0),
    ("parityshard", -3, "parityshard", 0),
    ("ratelimit", -5, "ratelimit", 0),
    ("closewait", -1, "closewait", 0),
    ("sockbuf", 0, "sockbuf", 1),
    ("nodelay", 2, "nodelay", 1),
    ("nodelay", -1, "nodelay", 0),
    ("nc", 7, "nc", 1),
    ("interval", 1, "interval", 10),
    ("interval", 9999, "interval", 5000),
    ("interval", -1, "interval", 100),
    ("resend", -1, "resend", 0),
    ("resend", 70000, "resend", 65535),
]


@pytest.mark.parametrize(("name", "value", "field", "expected"), ROWS)
def test_a_number_counts_for_what_kcptun_takes_it_for(
    name: str, value: int, field: str, expected: int
) -> None:
    arguments = (*KEY, "-mode", "manual", "-interval", "20", f"-{name}={value}")
    by_flag = kcptun_from_flags(kcptun_flags(arguments), CLIENT, {})
    values = {"mode": "manual", "interval": 20, "key": KEY[1], name: value}
    document = parse_document(json.dumps(values), "k.json")
    by_file = kcptun_from_document(document, CLIENT, {})
    for config, written in ((by_flag, f"-{name}"), (by_file, name)):
        assert getattr(config.kcp, field) == expected
        (warning,) = [text for text in config.warnings if "counts as" in text]
        assert warning.startswith(f"{written} = {value} counts as {expected}, as in the original")
        assert "write an integer" in warning


@pytest.mark.parametrize(
    ("name", "value", "expected"), [("autoexpire", -1, 0), ("scavengettl", -1, 2**31 - 1)]
)
def test_ages_of_sessions(name: str, value: int, expected: int) -> None:
    config = kcptun_from_flags(kcptun_flags([*KEY, f"-{name}={value}"]), CLIENT, {})
    assert isinstance(config, KcptunClient)
    assert getattr(config.link, name) == expected


def test_more_shards_than_there_can_be_mean_none() -> None:
    config = kcptun_from_flags(kcptun_flags([*KEY, "-ds", "200", "-ps", "100"]), CLIENT, {})
    assert (config.kcp.datashard, config.kcp.parityshard) == (0, 0)
    assert any("200 + 100" in warning for warning in config.warnings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("keepalive", 0), ("keepalive", 31), ("conn", 0), ("conn", -1), ("smuxbuf", 0)),
        *(("mtu", 2**64), ("framesize", 0), ("mtu", True), ("mtu", 1.5), ("mode", "turbo")),
    ],
)
def test_of_others_it_makes_nothing_that_we_could_do(name: str, value: object) -> None:
    assert as_kcptun(name, value) is None


@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), (1, True), (0, False), ("", False), (None, False)]
)
def test_node_asks_whether_a_certificate_is_self_signed_by_truth(
    value: object, expected: bool, tmp_path: Path
) -> None:
    cert = tmp_path / "cert.pem"
    cert.touch()
    config = client({"service": "tls://h:1", "tls_cert": str(cert), "tls_cert_self_signed": value})
    assert config.server.tls.self_signed is expected
    assert any("tls_cert_self_signed" in w and "counts as" in w for w in config.warnings)


def test_the_word_false_is_true_there_so_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not true or false"):
        client({"tls_cert_self_signed": "false"})


def test_keys_beside_server_that_are_inside_too_are_ignored() -> None:
    config = client(key="another", presets=[])
    assert config.warnings == (
        "key is ignored, as in the original: server.key counts",
        "presets is ignored, as in the original: server.presets counts",
    )


def test_servers_beside_server_count() -> None:
    item = {**link(key="of servers"), "service": "tcp://h:2", "enabled": 1}
    config = client(servers=[item])
    assert config.server.key == "of servers"
    assert "server is ignored, as in the original: servers stands beside it" in config.warnings
