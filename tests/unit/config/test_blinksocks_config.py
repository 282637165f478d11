"""blinksocks' files in the form of 3.x: what they mean."""

from __future__ import annotations

import json
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from tests.unit.config.blinksocks import (
    SECRET,
    Values,
    client,
    client_values,
    link,
    refused,
    server,
)

from blinktun.address import Address
from blinktun.config import BlinksocksClient, BlinksocksServer
from blinktun.config.acl import Rule
from blinktun.config.blinksocks import blinksocks_from_document
from blinktun.config.document import parse_document
from blinktun.config.load import load
from blinktun.config.model import (
    Credentials,
    Dns,
    Inbound,
    LogSettings,
    PresetSpec,
    ServerLink,
    Tls,
)
from blinktun.config.options_blinksocks import OLD_PRESETS
from blinktun.errors import ConfigError


def test_the_minimal_pair() -> None:
    presets = (PresetSpec("ss-base"), PresetSpec("ss-aead-cipher"))
    both = ServerLink("tcp", Address("192.0.2.1", 7000), SECRET, presets)
    assert client() == BlinksocksClient(
        Inbound.SOCKS, Address("127.0.0.1", 1080), both, source="b.json"
    )
    assert server() == BlinksocksServer(both, source="b.json")


def test_what_init_writes_loads() -> None:
    common: Values = {
        "dns": [], "dns_expire": 3600, "timeout": 221, "log_level": "info", "log_max_days": 30
    }  # fmt: skip
    near = client(
        {
            "tls_cert": "cert.pem",
            "tls_cert_self_signed": False,
            "mux": False,
            "mux_concurrency": 10,
        },
        https_key="https_key.pem",
        https_cert="https_cert.pem",
        log_path="bs-client.log",
        **common,
    )
    assert near.warnings == ()
    assert near.timeout == 221.0
    assert near.log == LogSettings(Path("bs-client.log"), max_days=30)
    far = server(
        tls_key="key.pem",
        tls_cert="cert.pem",
        acl=False,
        acl_conf="acl.txt",
        mux=False,
        redirect="",
        log_path="bs-server.log",
        **common,
    )
    assert far.warnings == ()
    assert far.log == LogSettings(Path("bs-server.log"), max_days=30)


@pytest.mark.parametrize(
    ("service", "inbound"),
    [
        ("socks://h:1", Inbound.SOCKS),
        ("socks4://h:1", Inbound.SOCKS),
        ("socks4a://h:1", Inbound.SOCKS),
        ("Socks5://h:1", Inbound.SOCKS),
        ("http://h:1", Inbound.HTTP),
        ("auto://h:1", Inbound.AUTO),
        ("tcp://h:1?forward=t:2", Inbound.TCP),
    ],
)
def test_services_of_a_client(service: str, inbound: Inbound) -> None:
    config = client(service=service)
    assert (config.inbound, config.listen) == (inbound, Address("h", 1))
    assert config.forward == (Address("t", 2) if inbound is Inbound.TCP else None)


def test_credentials_keep_both_forms() -> None:
    config = client(service="http://us%40er:p@h:1")
    assert config.credentials == Credentials("us@er", "p", "us%40er", "p")
    assert client(service="tcp://u:p@h:1?forward=t:2").credentials is None


def test_ipv6_and_the_last_port() -> None:
    assert client(service="socks5://[::1]:65535").listen == Address("::1", 65535)
    assert server(service="tcp://[::]:65535").server.address == Address("::", 65535)


def test_params_are_kept_and_frozen() -> None:
    config = server(presets=[{"name": "ss-stream-cipher", "params": {"method": "aes-128-ctr"}}])
    assert config.server.presets == (PresetSpec("ss-stream-cipher", {"method": "aes-128-ctr"}),)
    with pytest.raises(TypeError):
        config.server.presets[0].params["method"] = "none"  # type: ignore[index]


def test_an_inner_number_may_be_fractional() -> None:
    assert client(timeout=90.5).timeout == 90.5
    text = json.dumps(link()).replace('"key"', '"timeout": 1e999, "key"')
    with pytest.raises(ConfigError, match=r"timeout = .*: is not a number"):
        blinksocks_from_document(parse_document(text, "b.json"))


@pytest.mark.parametrize("name", OLD_PRESETS)
def test_presets_of_old_releases(name: str) -> None:
    assert server(presets=[{"name": name}]).server.presets == (PresetSpec(name),)


def test_mux_takes_the_cipher_of_some_presets_along() -> None:
    (warning,) = server(mux=True, presets=[{"name": "base-auth-stream"}]).warnings
    assert warning.startswith("mux takes base-auth-stream out of the presets")


def test_presets_of_ones_own(tmp_path: Path) -> None:
    names = ["my.presets", "my.presets:Rot", "mine:Rot", "rot.py", "../rot.py:Rot", "/opt/rot.py"]
    presets = [{"name": "ss-base"}, *({"name": name} for name in names)]
    path = tmp_path / "server.json"
    path.write_text(json.dumps(link(presets=presets)))
    config = load(path)
    assert isinstance(config, BlinksocksServer)
    assert [spec.name for spec in config.server.presets[1:]] == [
        *names[:3],
        str(tmp_path / "rot.py"),
        f"{tmp_path}/../rot.py:Rot",
        "/opt/rot.py",
    ]
    # Whether they encrypt is theirs to know.
    assert not any("no preset encrypts" in warning for warning in config.warnings)


def test_resolvers() -> None:
    dns = Dns(("9.9.9.9", "2620:fe::fe"), 60)
    values: dict[str, Any] = {"dns": ["9.9.9.9", "2620:fe::fe"], "dns_expire": 60}
    assert client(**values).dns == server(**values).dns == dns
    assert client().dns == Dns((), 3600)
    for wrong in ("localhost", "", 9):
        error = refused(link(dns=["9.9.9.9", wrong]))
        assert (error.key, error.problem) == ("dns[1]", "is no IP address")


def test_shared_connections() -> None:
    assert server(mux=True).server.mux
    both = client(server=link(mux=True, mux_concurrency=3)).server
    assert both.mux
    assert both.mux_concurrency == 3
    vmess = [{"name": "ss-base"}, {"name": "ss-aead-cipher"}]
    assert "in clear" not in " ".join(server(mux=True, presets=vmess).warnings)


def test_rules_of_a_server(tmp_path: Path) -> None:
    file = tmp_path / "acl.txt"
    file.write_text("*:25 1  # no mail\n\nbad line\n10.0.0.0/8 0 - 1m\n")
    config = server(acl=True, acl_conf=str(file))
    assert config.acl == (
        Rule("*", 25, ban=True, text="*:25 1"),
        Rule(ip_network("10.0.0.0/8"), download=1 << 20, text="10.0.0.0/8 0 - 1m"),
    )
    (warning,) = config.warnings
    assert warning.startswith(f"{file}: line 3 has a second field")
    assert server(acl=False, acl_conf="nowhere").acl is None
    file.write_text("?\n" * 30)
    assert len(server(acl=True, acl_conf=str(file)).warnings) == 21
    file.write_bytes(b"\xff\xfe\n")
    assert server(acl=True, acl_conf=str(file)).acl == ()


def test_a_server_behind_a_program_on_its_machine_is_warned(tmp_path: Path) -> None:
    file = tmp_path / "acl.txt"
    file.write_text("")
    for host, count in (("127.0.0.1", 1), ("[::1]", 1), ("localhost", 1), ("0.0.0.0", 0)):
        config = server(service=f"tcp://{host}:1", acl=True, acl_conf=str(file))
        assert len(config.warnings) == count
    config = server(service="tcp://[::1]:1", acl=True, acl_conf=str(file), redirect="a:1")
    assert config.warnings == ()


def test_redirect() -> None:
    assert server(redirect="").redirect is None
    assert server(redirect="bing.com:80").redirect == Address("bing.com", 80)
    assert server(redirect="[::1]:65535").redirect == Address("::1", 65535)
    for text in ("123", "*:80", "123:-1", "h:0", "a b:1"):
        assert refused(link(redirect=text)).key == "redirect"


def test_keys_of_the_other_side_have_no_effect_and_say_so() -> None:
    assert client({"acl": True}, redirect="h:1").warnings == (
        "redirect has no effect on a client",
        "server.acl has no effect on a client",
    )
    assert server(https_key="k").warnings == ("https_key has no effect on a server",)


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"timeout": 59}, "timeout is short"),
        ({"dns_expire": 86401}, "dns_expire is long"),
        ({"presets": [{"name": "ss-base"}]}, "no preset encrypts"),
        (
            {"presets": [{"name": "ss-stream-cipher", "params": {"method": "none"}}]},
            "no preset encrypts",
        ),
    ],
)
def test_warnings(changes: Values, warning: str) -> None:
    (said,) = server(**changes).warnings
    assert warning in said


def test_what_encrypts_on_its_own_over_no_cipher() -> None:
    none = {"name": "ss-stream-cipher", "params": {"method": "none"}}
    for name, warnings in (
        ("ssr-auth-chain-a", "has weak integrity"),
        ("ssr-auth-aes128-md5", "no preset encrypts"),
    ):
        presets = [{"name": "ss-base"}, {"name": name}, none]
        assert warnings in server(presets=presets).warnings[0]


def test_an_https_service_wants_its_certificate(tmp_path: Path) -> None:
    assert refused(client_values(service="https://h:1")).key == "https_cert"
    cert = tmp_path / "cert.pem"
    cert.touch()
    config = client(service="https://h", https_cert=str(cert), https_key=str(cert))
    assert config.inbound is Inbound.HTTP
    assert config.listen == Address("h", 443)
    assert config.https == Tls(cert, cert)
    assert config.scheme == "https"
    assert client(service="http://h").scheme == "http"


def test_params_that_mean_nothing_are_named() -> None:
    presets = [
        {"name": "ss-base", "params": {"a": 1}},
        {"name": "ss-aead-cipher", "params": {"info": "ss-subkey", "_why": "fast"}, "x": 1},
    ]
    assert server(presets=presets).warnings == (
        "presets[0].params.a is ignored, as in the original: there is no such key",
        "presets[1].x is ignored, as in the original: there is no such key",
    )
    assert client({"presets": presets}).warnings[0].startswith("server.presets[0].params.a ")


@pytest.mark.parametrize("name", ["methd", "Method", "cipher", "crypt"])
def test_a_misspelt_parameter_is_an_error(name: str) -> None:
    presets = [{"name": "ss-base"}, {"name": "ss-aead-cipher", "params": {name: "aes-128-gcm"}}]
    with pytest.raises(ConfigError, match=r"did you mean method\?") as caught:
        server(presets=presets)
    assert caught.value.key == f"presets[1].params.{name}"
