"""Variables of shadowsocks: what is taken, from which side, and what is said when it cannot be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinktun.address import Address
from blinktun.config import KcptunClient, KcptunServer
from blinktun.config.kcptun import kcptun_flags, kcptun_from_flags
from blinktun.config.model import PortRange
from blinktun.config.options import CLIENT, SERVER
from blinktun.config.sip003 import plugin_of, without_host_flags
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2-hunter2"
ADDRESSES = {
    "SS_REMOTE_HOST": "example.com",
    "SS_REMOTE_PORT": "8388",
    "SS_LOCAL_HOST": "127.0.0.1",
    "SS_LOCAL_PORT": "4321",
}


def environment(options: str | None = None, **changed: str) -> dict[str, str]:
    made = ADDRESSES | changed
    return made if options is None else made | {"SS_PLUGIN_OPTIONS": options}


def build(side: str, options: str = "", *flags: str, **changed: str) -> KcptunClient | KcptunServer:
    variables = environment(options, **changed)
    return kcptun_from_flags(kcptun_flags(flags), side, variables, plugin_of(variables))


def client(options: str = "", *flags: str, **changed: str) -> KcptunClient:
    config = build(CLIENT, options, *flags, **changed)
    assert isinstance(config, KcptunClient)
    return config


def refused(options: str, side: str = CLIENT, **changed: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        build(side, options, **changed)
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize("missing", ADDRESSES)
def test_without_all_four_addresses_nothing_is_taken(missing: str) -> None:
    variables = environment("not even=;read")
    del variables[missing]
    assert plugin_of(variables) is None
    assert plugin_of(variables | {missing: ""}) is None


def test_each_side_takes_its_two_addresses() -> None:
    near, far = client(), build(SERVER)
    assert near.localaddr == Address("127.0.0.1", 4321)
    assert near.remoteaddr == PortRange("example.com", 8388, 8388)
    assert isinstance(far, KcptunServer)
    assert far.listen == PortRange("example.com", 8388, 8388)
    assert far.target == Address("127.0.0.1", 4321)


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_hosts_of_ipv6(host: str) -> None:
    made = client(SS_REMOTE_HOST=host, SS_LOCAL_HOST=host)
    assert made.remoteaddr == PortRange("::1", 8388, 8388)
    assert made.localaddr == Address("::1", 4321)


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("::1|127.0.0.1", ("::1", "127.0.0.1")),
        ("[::1]|127.0.0.1|vps.example", ("::1", "127.0.0.1", "vps.example")),
        ("127.0.0.1|127.0.0.1", ("127.0.0.1",)),
        ("127.0.0.1|", ("127.0.0.1",)),
        ("::0|0.0.0.0", ("",)),  # one socket for both families is what serves them
        ("0.0.0.0|::", ("",)),
        ("0.0.0.0|::1", ("0.0.0.0", "::1")),
    ],
)
def test_several_hosts(hosts: str, expected: tuple[str, ...]) -> None:
    far = build(SERVER, SS_REMOTE_HOST=hosts)
    assert isinstance(far, KcptunServer)
    assert far.listen.hosts == expected
    assert [(a.host, a.port) for a in far.listen.addresses] == [(h, 8388) for h in expected]
    assert client(SS_REMOTE_HOST=hosts).remoteaddr.ports == range(8388, 8389)


def test_of_several_local_hosts_the_first_counts() -> None:
    made = client(SS_LOCAL_HOST="::1|127.0.0.1")
    assert made.localaddr == Address("::1", 4321)
    assert "SS_LOCAL_HOST: of several hosts the first counts: [::1]:4321" in made.warnings


@pytest.mark.parametrize("options", ["mtu=1200;", ";mtu=1200", "mtu=1200;;quiet;"])
def test_a_semicolon_too_many_is_nothing(options: str) -> None:
    assert client(options).kcp.mtu == 1200


def test_options_go_by_key_or_flag_and_have_their_types() -> None:
    made = client(f"key={SECRET};MODE=fast3;ds=7;parityshard=0x2;nocomp;quiet=true;acknodelay=0")
    assert (made.kcp.key, made.kcp.interval) == (SECRET, 10)
    assert (made.kcp.datashard, made.kcp.parityshard) == (7, 2)
    assert (made.kcp.nocomp, made.log.quiet, made.kcp.acknodelay) == (True, True, False)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        (r"key=a\;b", "a;b"),
        (r"key=a\=b=c", "a=b=c"),
        (r"key=a\\", "a\\"),
        (r"k\ey=plain", "plain"),
        ("key=", ""),
        ("key", "1"),
        ("key=1st;key=2nd", "2nd"),
        ("key=ключ", "ключ"),
    ],
)
def test_a_backslash_takes_the_next_character_as_it_is(options: str, key: str) -> None:
    assert client(options).kcp.key == key


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_value_can_be_escaped(value: str) -> None:
    escaped = re.sub(r"([\\;=])", r"\\\1", value)
    assert client(f"mtu=1200;key={escaped};quiet").kcp.key == value


def test_flags_override_variables_and_the_file_overrides_both(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    path.write_text('{"mtu": 1203}')
    variables = "key=plugin;mtu=1201;sndwnd=99"
    made = client(variables, "-mtu", "1202", "-r", "other:1")
    assert (made.kcp.mtu, made.kcp.sndwnd) == (1202, 99)
    assert made.remoteaddr == PortRange("other", 1, 1)
    assert client(variables, "-mtu", "1202", "-c", str(path)).kcp.mtu == 1203
    assert client(f"{variables};c={path}").kcp.mtu == 1203
    assert client(variables, KCPTUN_KEY="variable").kcp.key == "plugin"
    assert client("", KCPTUN_KEY="variable").kcp.key == "variable"


@pytest.mark.parametrize(
    ("options", "key", "value", "fix"),
    [
        ("mtu=60", "mtu", '"60"', "78..1500"),
        ("mtu=fast", "mtu", '"fast"', "write an integer, 50..1500"),
        ("keepalive=0", "keepalive", '"0"', "1..30"),
        ("crypt=AES", "crypt", '"AES"', "did you mean aes?"),
        ("nocomp=yes", "nocomp", '"yes"', "write true or false"),
        ("remoteaddr=nowhere", "remoteaddr", '"nowhere"', "host:port"),
        ("mdoe=fast", "mdoe", "", "did you mean mode?"),
        ("listen=:1", "listen", "", "known"),
        ("version", "version", "", "known"),
        ("=x", "", "", "name=value"),
        ("mtu=1200;=x", "", "", "name=value"),
        ("mtu=1200\\", "", "", "backslash"),
    ],
)
def test_errors_name_the_variable(options: str, key: str, value: str, fix: str) -> None:
    error = refused(options)
    assert (error.source, error.key, error.value) == ("SS_PLUGIN_OPTIONS", key, value)
    assert fix in error.fix


def test_secrets_stay_out_of_errors() -> None:
    assert SECRET not in str(refused(f"kye={SECRET}"))
    assert SECRET not in repr(plugin_of(environment(f"key={SECRET}")))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SS_REMOTE_PORT", "0"),
        ("SS_REMOTE_PORT", "65536"),
        ("SS_REMOTE_PORT", "3000-4000"),
        ("SS_LOCAL_PORT", "http"),
        ("SS_LOCAL_PORT", "9" * 5000),
        ("SS_REMOTE_HOST", "|"),
        ("SS_REMOTE_HOST", "a:b]"),
    ],
)
def test_addresses_that_cannot_be_name_their_variable(variable: str, value: str) -> None:
    error = refused("", **{variable: value})
    assert variable in error.source
    assert len(str(error)) < 300


def test_what_shadowsocks_adds_to_the_command_line_is_taken_away() -> None:
    assert without_host_flags(["--fast-open", "-mtu", "1", "-V"]) == ["-mtu", "1"]
