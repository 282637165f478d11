"""Every key of blinksocks with every sort of wrong value, as its user meets it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

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

from blinktun.config.blinksocks import blinksocks_from_document
from blinktun.config.document import parse_document
from blinktun.config.options import CLIENT, SERVER, Kind, Option
from blinktun.config.options_blinksocks import LINK_OPTIONS, REMOVED_PRESETS, TOP_OPTIONS
from blinktun.config.tolerance import as_blinksocks
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

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
        if CLIENT in option.defaults and as_blinksocks(option.name, value) is None:
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
        ("grace", -1, "at least 0"),
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


@pytest.mark.parametrize(
    ("changes", "key", "problem", "fix"),
    [
        ({"service": "tcp://h"}, "service", "no port", "tcp://example.com:7000"),
        ({"service": "ftp://h:1"}, "service", "no known protocol", "known: tcp, ws"),
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


@pytest.mark.parametrize("scheme", ["socks5", "http", "auto"])
def test_a_clients_file_without_server_is_taken_for_a_servers(scheme: str) -> None:
    error = refused(link(service=f"{scheme}://127.0.0.1:1080"))
    assert error.key == "service"
    assert "is for applications" in error.problem
    assert error.fix.startswith('a client\'s file needs "server"')
    assert "no known protocol" in refused(client_values({"service": f"{scheme}://h:1"})).problem


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


def test_rules_that_cannot_be_read(tmp_path: Path) -> None:
    for changes in ({}, {"acl_conf": str(tmp_path / "no.txt")}, {"acl_conf": str(tmp_path)}):
        error = refused(link(acl=True, **changes))
        assert error.key == "acl_conf"
        assert ".pem" not in error.fix.lower()


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("servce", "service"),
        ("Service", "service"),
        ("log_pat", "log_path"),
        ("time_out", "timeout"),
        ("dns_expires", "dns_expire"),
    ],
)
def test_an_unknown_key_suggests_the_nearest(name: str, near: str) -> None:
    for values in ({**client_values(), name: SECRET}, {**link(), name: SECRET}):
        error = refused(values)
        assert (error.key, error.problem) == (name, "there is no such key")
        assert f"did you mean {near}?" in error.fix
    assert refused(client_values({"kye": SECRET})).key == "server.kye"


@pytest.mark.parametrize("name", ["key", "presets", "mux", "acl", "tls_cert"])
def test_a_key_of_the_link_beside_server_is_misplaced(name: str) -> None:
    values = client_values()
    values["server"] = {key: value for key, value in link().items() if key != name}
    error = refused({**values, name: SECRET})
    assert error.key == name
    assert f"server.{name}" in error.fix


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


def test_what_cannot_be_the_name_of_a_file() -> None:
    service = "tls://h:1"
    for name in ("x" * 5000, "a\0b"):
        assert refused(link(service=service, tls_cert=name, tls_key="k")).key == "tls_cert"
    server(log_path="x" * 5000)  # said when it is opened
