"""Command lines in every form that Go's flag package accepts."""

from __future__ import annotations

import json

import pytest

from blinktun.config.kcptun import kcptun_flags, kcptun_from_flags
from blinktun.config.model import KcptunClient, KcptunServer
from blinktun.config.options import CLIENT, SERVER, Kind, Option
from blinktun.config.options_kcptun import KCPTUN_OPTIONS
from blinktun.errors import ConfigError


def client(*arguments: str, environment: dict[str, str] | None = None) -> KcptunClient:
    config = kcptun_from_flags(kcptun_flags(arguments), CLIENT, environment or {})
    assert isinstance(config, KcptunClient)
    return config


def server(*arguments: str) -> KcptunServer:
    config = kcptun_from_flags(kcptun_flags(arguments), SERVER, {})
    assert isinstance(config, KcptunServer)
    return config


@pytest.mark.parametrize(
    "arguments",
    [
        ("-mode", "fast3"),
        ("--mode", "fast3"),
        ("-mode=fast3",),
        ("--mode=fast3",),
        ("-mode", "normal", "-mode", "fast3"),
        ("-mode", "fast3", "--"),
    ],
)
def test_a_value_in_every_spelling(arguments: tuple[str, ...]) -> None:
    kcp = client(*arguments).kcp
    assert (kcp.nodelay, kcp.interval, kcp.resend, kcp.nc) == (1, 10, 2, 1)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("-nocomp", True),
        ("--nocomp", True),
        *((f"-nocomp={word}", True) for word in ("1", "t", "T", "true", "TRUE", "True")),
        *((f"-nocomp={word}", False) for word in ("0", "f", "F", "false", "FALSE", "False")),
    ],
)
def test_a_switch_in_every_spelling(argument: str, expected: bool) -> None:
    assert client(argument, "-conn", "2").kcp.nocomp is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", 12),
        ("+12", 12),
        ("0x1f", 31),
        ("0X1F", 31),
        ("017", 15),
        ("0o17", 15),
        ("0b101", 5),
        ("1_2", 12),
    ],
)
def test_integers_in_every_base_of_go(text: str, expected: int) -> None:
    assert client("-conn", text).link.conn == expected


@pytest.mark.parametrize("text", ["", " 1", "1.0", "1e3", "ten", "٣", "08", "1__0", "9" * 5000])
def test_what_is_no_integer(text: str) -> None:
    with pytest.raises(ConfigError, match="is not an integer") as caught:
        client("-conn", text)
    assert caught.value.key == "-conn"


def test_aliases_mean_the_same() -> None:
    short = client("-l", ":1", "-r", "host:2", "-ds", "20", "-ps", "5")
    long = client(
        "-localaddr", ":1", "-remoteaddr", "host:2", "-datashard", "20", "-parityshard", "5"
    )
    assert short == long
    assert server("-l", ":1", "-t", "host:2") == server("-listen", ":1", "-target", "host:2")


def test_a_value_may_begin_with_a_dash_or_hold_an_equals_sign() -> None:
    assert client("-key", "-mode").kcp.key == "-mode"
    assert client("-key=a=b").kcp.key == "a=b"
    assert client("-key=").kcp.key == ""


@pytest.mark.parametrize("option", KCPTUN_OPTIONS, ids=lambda option: str(option.name))
def test_every_flag_is_accepted_with_its_default(option: Option) -> None:
    for side, default in option.defaults.items():
        value = option.low if default is None else default
        text = value if isinstance(value, str) else json.dumps(value)
        for name in option.flags:
            flags = kcptun_flags([f"-{name}={text}"])
            assert kcptun_from_flags(flags, side, {}) is not None


def test_every_boolean_stands_alone() -> None:
    switches = [o for o in KCPTUN_OPTIONS if o.kind is Kind.BOOLEAN]
    flags = kcptun_flags([f"-{option.name}" for option in switches])
    assert [flag.name for flag in flags.flags] == [option.name for option in switches]


@pytest.mark.parametrize(
    ("arguments", "key", "problem", "fix"),
    [
        (["-mdoe", "fast"], "-mdoe", "there is no such flag", "did you mean -mode?"),
        (["-qpp"], "-qpp", "there is no such flag", "did you mean -QPP?"),
        (["-kye=hunter2"], "-kye", "there is no such flag", "did you mean -key?"),
        (["-zzz"], "-zzz", "there is no such flag", "known: -localaddr"),
        (["-mode"], "-mode", "needs a value", "fast3"),
        (["-nocomp=yes"], "-nocomp", "is not true or false", "true or false"),
        (["-nocomp", "true", "-key=hunter2"], "-key", "kcptun never reads it", "-nocomp=true"),
        (["-mtu", "1300", "1", "-r", "h:1"], "-r", "after -mtu that is no flag", "quote a value"),
        (["-nocomp", "true", "-c", "x"], "-c", "kcptun never reads it", "-nocomp=true"),
        (["client.json"], "", "is no flag", "write -c client.json"),
        (["-nocomp", "true", "client.json"], "", "is no flag", "write -c client.json"),
        (["---mtu", "1"], "", "is no flag", "write -name value"),
        (["-=x"], "", "is no flag", "write -name value"),
        (["-mode", "fats"], "-mode", "is unknown", "did you mean fast?"),
        (["-listen", ":1"], "listen", "is not for a client", "kcptun-server"),
        (["-t", ":1"], "target", "is not for a client", "kcptun-server"),
    ],
)
def test_errors_name_the_flag_and_the_fix(
    arguments: list[str], key: str, problem: str, fix: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        client(*arguments)
    error = caught.value
    assert (error.source, error.key) == ("command line", key)
    assert problem in error.problem
    assert fix in error.fix
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("arguments", "warning"),
    [
        (["-nocomp", "true"], "-nocomp is on; write -nocomp=true or -nocomp=false"),
        (["-nocomp", "false"], "-nocomp is on; write -nocomp=true or -nocomp=false"),
        (["-nocomp", "true", "-mtu", "1200"], "is ignored, as in kcptun, and so are -mtu"),
        (["-nocomp", "on", "-quiet", "true"], "and so are -quiet"),
        (["-nocomp", "extra"], "what follows after -nocomp is no flag"),
        (["-nocomp", "--", "-mtu", "1200"], "and so are -mtu"),
        (["-nocomp", "-mtu", "1350", "hunter2"], "quote a value that has spaces"),
        (["-nocomp", "-"], "is ignored, as in kcptun"),
    ],
)
def test_what_go_drops_is_dropped_with_a_warning(arguments: list[str], warning: str) -> None:
    config = client("-key", "a long random text, of course", *arguments)
    assert (config.kcp.nocomp, config.kcp.mtu) == (True, 1350)
    (only,) = [text for text in config.warnings if "no flag" in text]
    assert warning in only
    assert "hunter2" not in only


@pytest.mark.parametrize("word", ["help", "h", "version"])
def test_words_in_place_of_flags(word: str) -> None:
    assert kcptun_flags([word]).flags[0].name == {"h": "help"}.get(word, word)


def test_a_flag_of_the_other_side_is_refused() -> None:
    with pytest.raises(ConfigError, match="-conn: is not for a server"):
        server("-conn", "5")


def test_the_variable_replaces_the_default_of_key_only() -> None:
    environment = {"KCPTUN_KEY": "from the environment"}
    assert client(environment=environment).kcp.key == "from the environment"
    assert client("-key", "flag", environment=environment).kcp.key == "flag"
    assert client(environment={"KCPTUN_KEY": ""}).kcp.key == ""
    assert client().kcp.key == "it's a secrect"
