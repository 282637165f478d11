"""blinksocks' files in the form of 3.x: what they mean, and every wrong value."""

from __future__ import annotations

import json
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

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
from blinktun.config.options import CLIENT, SERVER, Kind, Option
from blinktun.config.options_blinksocks import (
    LINK_OPTIONS,
    OLD_PRESETS,
    REMOVED_PRESETS,
    TOP_OPTIONS,
)
from blinktun.errors import ConfigError

SECRET = "hunter2-hunter2"
Values = dict[str, object]


def link(**changes: object) -> Values:
    return {
        "service": "tcp://192.0.2.1:7000",
        "key": SECRET,
        "presets": [{"name": "ss-base"}, {"name": "ss-aead-cipher"}],
        **changes,
    }


def client_values(of_link: Values | None = None, **changes: object) -> Values:
    return {"service": "socks5://127.0.0.1:1080", "server": link(**(of_link or {})), **changes}


def read(values: Values) -> BlinksocksClient | BlinksocksServer:
    return blinksocks_from_document(parse_document(json.dumps(values), "b.json"))


def client(of_link: Values | None = None, **changes: object) -> BlinksocksClient:
    config = read(client_values(of_link, **changes))
    assert isinstance(config, BlinksocksClient)
    return config


def server(**changes: object) -> BlinksocksServer:
    config = read(link(**changes))
    assert isinstance(config, BlinksocksServer)
    return config


def refused(values: Values) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(values)
    assert caught.value.source == "b.json"
    assert caught.value.fix
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)
    return caught.value


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


WRONG: dict[Kind, tuple[object, ...]] = {
    Kind.TEXT: (1, True, None, ["x"], {"x": 1}),
    Kind.NUMBER: ("1", True, None, [1], {}),
    Kind.BOOLEAN: (0, 1, "true", None, []),
    Kind.LIST: ("x", 1, None, {}, False),
    Kind.OBJECT: ("x", 1, [], True),
}


@pytest.mark.parametrize("option", TOP_OPTIONS, ids=lambda option: str(option.name))
def test_every_top_key_refuses_every_wrong_type(option: Option) -> None:
    for value in WRONG[option.kind]:
        for side in option.defaults:
            values = client_values() if side == CLIENT else link()
            error = refused(values | {option.name: value})
            assert (error.key, error.problem) == (option.name, f"is not {option.kind.value}")
            assert error.value


@pytest.mark.parametrize("option", LINK_OPTIONS, ids=lambda option: str(option.name))
def test_every_link_key_refuses_every_wrong_type(option: Option) -> None:
    for value in WRONG[option.kind]:
        if CLIENT in option.defaults:
            error = refused(client_values({option.name: value}))
            assert (error.key, error.problem) == (
                f"server.{option.name}",
                f"is not {option.kind.value}",
            )
        if SERVER in option.defaults:
            assert refused(link(**{option.name: value})).key == option.name


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("timeout", 0.5, "at least 1"),
        ("timeout", 0, "at least 1"),
        ("timeout", -600, "at least 1"),
        ("dns_expire", -1, "at least 0"),
        ("log_max_days", 0, "1..36500"),
        ("log_max_days", 1e30, "1..36500"),
        ("log_level", "warning", "did you mean warn?"),
        ("log_level", "INFO", "did you mean info?"),
        ("log_level", "", "silly"),
        ("log_path", "/tmp", "file name"),
        ("log_path", "a\nb", "a string"),
        ("service", "127.0.0.1:1080", "socks5://127.0.0.1:1080"),
        ("service", "socks://127.0.0.1", "<protocol>://<host>:<port>"),
        ("service", "socks://a_b:1", "<protocol>://<host>:<port>"),
        ("service", "sock5://127.0.0.1:1", "did you mean socks5?"),
        ("service", "ws://127.0.0.1:1", "socks5"),
        ("service", "tcp://h:1", "?forward=<host>:<port>"),
        ("service", "tcp://h:1?forward=", "?forward=<host>:<port>"),
        ("service", "tcp://h:1?forward=t", "?forward=<host>:<port>"),
        ("service", "tcp://h:1?forward=t:0", "?forward=<host>:<port>"),
    ],
)
def test_wrong_values_at_the_top(name: str, value: object, fix: str) -> None:
    error = refused({**client_values(), name: value})
    assert error.key == name
    assert error.value == json.dumps(value)
    assert fix in error.fix


def test_an_inner_number_may_be_fractional() -> None:
    assert client(timeout=90.5).timeout == 90.5
    text = json.dumps(link()).replace('"key"', '"timeout": 1e999, "key"')
    with pytest.raises(ConfigError, match=r"timeout = .*: is not a number"):
        blinksocks_from_document(parse_document(text, "b.json"))


@pytest.mark.parametrize(
    ("changes", "key", "problem", "fix"),
    [
        ({"service": "tcp://h"}, "service", "no port", "tcp://example.com:7000"),
        ({"service": "http://h:1"}, "service", "no known protocol", "known: tcp, ws"),
        ({"service": "wsss://h:1"}, "service", "no known protocol", "did you mean wss?"),
        ({"key": ""}, "key", "is empty", "random"),
        ({"presets": []}, "presets", "is empty", "ss-base"),
        ({"presets": ["ss-base"]}, "presets[0]", "is not an object", '"name"'),
        ({"presets": [{}]}, "presets[0].name", "is missing", "ss-base"),
        ({"presets": [{"name": 1}]}, "presets[0].name", "is not a string", "ss-base"),
        ({"presets": [{"name": ""}]}, "presets[0].name", "is unknown", "ss-base"),
        ({"presets": [{"name": "ss-bas"}]}, "presets[0].name", "is unknown", "mean ss-base?"),
        ({"presets": [{"name": "mux"}]}, "presets[0].name", "is not for", "remove it"),
        ({"presets": [{"name": "./x.js"}]}, "presets[0].name", "is no Python", ".py file"),
        ({"presets": [{"name": "/opt/x"}]}, "presets[0].name", "is no Python", ".py file"),
        ({"presets": [{"name": "a.b", "parms": {}}]}, "presets[0].parms", "no such", "params"),
        (
            {"presets": [{"name": "ss-base", "params": None}]},
            "presets[0].params",
            "is not an object",
            "write an object",
        ),
        (
            {"presets": [{"name": "ss-base"}, {"name": "ss-base", "params": [SECRET]}]},
            "presets[1].params",
            "is not an object",
            "write an object",
        ),
        (
            {"presets": [{"name": "ss-base", "parms": {}}]},
            "presets[0].parms",
            "no such key",
            "did you mean params?",
        ),
        *(
            ({"presets": [{"name": name}]}, "presets[0].name", "was dropped by blinksocks", "use")
            for name in REMOVED_PRESETS
        ),
    ],
)
def test_wrong_values_of_the_link(changes: Values, key: str, problem: str, fix: str) -> None:
    for prefix, values in (("server.", client_values(changes)), ("", link(**changes))):
        error = refused(values)
        assert error.key == prefix + key
        assert problem in error.problem
        assert fix in error.fix


@pytest.mark.parametrize("name", ["service", "key", "presets"])
def test_what_the_link_needs(name: str) -> None:
    values = link()
    del values[name]
    error = refused(values)
    assert (error.key, error.problem, error.value) == (name, "is missing", "")
    error = refused({"service": "socks5://h:1", "server": values})
    assert (error.key, error.problem) == (f"server.{name}", "is missing")
    assert refused({"server": link()}).key == "service"
    assert refused({"service": "socks5://h:1", "server": {}}).key == "server.service"


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


def test_rules_that_cannot_be_read(tmp_path: Path) -> None:
    for changes in ({}, {"acl_conf": str(tmp_path / "no.txt")}, {"acl_conf": str(tmp_path)}):
        error = refused(link(acl=True, **changes))
        assert error.key == "acl_conf"
        assert ".pem" not in error.fix.lower()


def test_redirect() -> None:
    assert server(redirect="").redirect is None
    assert server(redirect="bing.com:80").redirect == Address("bing.com", 80)
    assert server(redirect="[::1]:65535").redirect == Address("::1", 65535)
    for text in ("123", "*:80", "123:-1", "h:0", "a b:1"):
        assert refused(link(redirect=text)).key == "redirect"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("servce", "service"),
        ("Service", "service"),
        ("log_pat", "log_path"),
        ("time_out", "timeout"),
        ("qqqq", ""),
    ],
)
def test_an_unknown_key_suggests_the_nearest(name: str, near: str) -> None:
    for values in ({**client_values(), name: SECRET}, {**link(), name: SECRET}):
        error = refused(values)
        assert (error.key, error.problem) == (name, "there is no such key")
        assert f"did you mean {near}?" in error.fix if near else "known: " in error.fix
    assert refused(client_values({"kye": SECRET})).key == "server.kye"


@pytest.mark.parametrize("name", ["key", "presets", "mux", "acl", "tls_cert"])
def test_a_key_of_the_link_beside_server_is_misplaced(name: str) -> None:
    error = refused({**client_values(), name: SECRET})
    assert error.key == name
    assert f"server.{name}" in error.fix


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
    for name, warnings in (("ssr-auth-chain-a", 0), ("ssr-auth-aes128-md5", 1)):
        presets = [{"name": "ss-base"}, {"name": name}, none]
        assert len(server(presets=presets).warnings) == warnings


def test_credentials_and_keys_are_never_shown() -> None:
    error = refused(client_values(service=f"socks5://user:{SECRET}@a_b:1"))
    assert error.value == '"socks5://(hidden)@a_b:1"'
    assert refused(client_values({"key": [SECRET]})).value == "[...]"
    assert refused(client_values({"key": 12345678})).value == "(hidden)"
    assert refused(client_values(server=SECRET)).key == "server"
    assert refused(client_values({"presets": SECRET})).key == "server.presets"
    config = client(
        {"presets": [{"name": "ss-aead-cipher", "params": {"id": SECRET}}]},
        service=f"socks5://user:{SECRET}@h:1",
    )
    assert SECRET not in repr(config)


def test_nothing_may_follow_the_object() -> None:
    text = json.dumps(link()) + "\n{}"
    with pytest.raises(ConfigError, match="line 2, column 1"):
        blinksocks_from_document(parse_document(text, "b.json"))


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


def test_what_cannot_be_the_name_of_a_file() -> None:
    service = "tls://h:1"
    for name in ("x" * 5000, "a\0b"):
        assert refused(link(service=service, tls_cert=name, tls_key="k")).key == "tls_cert"
    server(log_path="x" * 5000)  # said when it is opened


def test_params_that_mean_nothing_are_named() -> None:
    presets = [
        {"name": "ss-base", "params": {"a": 1}},
        {"name": "ss-aead-cipher", "params": {"info": "ss-subkey", "methd": "aes-128-gcm"}},
    ]
    assert server(presets=presets).warnings == (
        'presets[0].params."a" means nothing to ss-base: it has no parameters',
        'presets[1].params."methd" means nothing to ss-aead-cipher: it knows method, info',
    )
