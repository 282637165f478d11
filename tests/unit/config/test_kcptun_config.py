"""kcptun's files: every key, every wrong value, the rules of Go and where we differ."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from blinktun import _core
from blinktun._core import StreamClass
from blinktun.address import Address
from blinktun.config import KcptunClient, KcptunServer, load
from blinktun.config.document import parse_document
from blinktun.config.kcptun import kcptun_flags, kcptun_from_document, kcptun_from_flags
from blinktun.config.model import (
    BY_HAND,
    KcpLink,
    KcpSettings,
    LogSettings,
    PortRange,
    ReportSettings,
)
from blinktun.config.options import CLIENT, SERVER, Kind, Option
from blinktun.config.options_kcptun import CRYPTS, KCPTUN_OPTIONS
from blinktun.config.tolerance import as_kcptun
from blinktun.errors import ConfigError

SECRET = "hunter2-hunter2"
NO_INTEGRITY = (
    "crypt {} has no integrity: anybody on the path can change bytes unseen; use aes-128-gcm if"
    " both ends know it, and TLS or an AEAD preset inside"
)
PUBLIC_KEY = (
    "the key is the public default, so anybody can decrypt and connect: set key at both ends"
)


def read(text: str, side: str | None = None) -> KcptunClient | KcptunServer:
    return kcptun_from_document(parse_document(text, "k.json"), side, {})


def client(**values: object) -> KcptunClient:
    config = read(json.dumps(values), CLIENT)
    assert isinstance(config, KcptunClient)
    return config


def server(**values: object) -> KcptunServer:
    config = read(json.dumps(values), SERVER)
    assert isinstance(config, KcptunServer)
    return config


def refused(side: str, **values: object) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(json.dumps(values), side)
    return caught.value


def test_defaults_are_those_of_go_but_for_the_mode() -> None:
    assert client() == KcptunClient(
        localaddr=Address("", 12948),
        remoteaddr=PortRange("vps", 29900, 29900),
        link=KcpLink(KcpSettings(smuxver=1)),
        source="k.json",
        warnings=(PUBLIC_KEY, NO_INTEGRITY.format("aes")),
    )
    assert client().kcp.is_auto
    assert server().kcp == KcpSettings()
    assert server().listen == PortRange("", 29900, 29900)
    assert server().target == Address("127.0.0.1", 12948)


def test_every_key_reaches_the_model() -> None:
    values: dict[str, object] = {
        "key": SECRET, "crypt": "salsa20", "mode": "manual", "nodelay": 1, "interval": 15,
        "resend": 3, "nc": 1, "mtu": 1200, "sndwnd": 300, "rcvwnd": 400, "datashard": 20,
        "parityshard": 5, "dscp": 46, "nocomp": True, "acknodelay": True, "sockbuf": 1000000,
        "smuxver": 2, "smuxbuf": 3000000, "framesize": 4096, "streambuf": 1000000, "keepalive": 7,
        "up": "20mbit", "down": "12 MB/s", "max_overhead": "20%", "ratelimit": 125000,
        "closewait": 30, "qpp": True, "qpp-count": 7, "qpp-revision": "M",
    }  # fmt: skip
    others = {"localaddr": "[::1]:1", "remoteaddr": "[2001:db8::1]:2", "conn": 3, "autoexpire": 60,
              "scavengettl": 30, "class": "bulk", "log": "k.log", "quiet": True, "snmpperiod": 5,
              "snmplog": "s-2006.csv", "tcp": False, "pprof": True}  # fmt: skip
    expected = {name.replace("-", "_"): value for name, value in values.items()}
    assert client(**values, **others) == KcptunClient(
        localaddr=Address("::1", 1),
        remoteaddr=PortRange("2001:db8::1", 2, 2),
        link=KcpLink(
            KcpSettings(**expected),  # type: ignore[arg-type]
            conn=3,
            autoexpire=60,
            scavengettl=30,
            stream_class=StreamClass.BULK,
        ),
        log=LogSettings(path=Path("k.log"), quiet=True),
        reports=ReportSettings(snmplog="s-2006.csv", snmpperiod=5, pprof=True),
        source="k.json",
        warnings=(
            "up has no effect without mode auto: ratelimit limits each session",
            "down has no effect without mode auto: ratelimit limits each session",
            "max_overhead has no effect without mode auto: datashard and parityshard add parity",
            NO_INTEGRITY.format("salsa20"),
            "QPP: the key is too short to fill the pads: give it at least 211 bytes",
        ),
    )


def test_udp_beside_tcp() -> None:
    assert (client().udp, client().udp_class, server().udp) == (None, "plain", None)
    assert client(udp=False).udp is None
    assert client(udp=True, udpclass="protected").udp == ()
    assert client(udp=True, udpclass="protected").udp_class == "protected"
    assert server(udp=[53, 51820, 53]).udp == (53, 51820)
    assert client(udpclass="protected").warnings[-1] == "udpclass has no effect without udp"


def test_udp_has_no_place_at_a_unix_socket() -> None:
    for error, name in (
        (refused(CLIENT, udp=True, localaddr="/run/k"), "localaddr"),
        (refused(SERVER, udp=[53], target="/run/k"), "target"),
    ):
        assert (error.key, error.fix) == ("udp", f"write host:port for {name}, or leave udp out")


def test_one_port_cannot_show_several_processes() -> None:
    error = refused(SERVER, pprof=True, workers=2)
    assert error.key == "pprof"
    assert server(pprof=True, workers=1).reports.pprof
    assert server(snmplog="a", workers=2).reports == ReportSettings(snmplog="a")


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("normal", (0, 40, 2, 1)),
        ("fast", (0, 30, 2, 1)),
        ("fast2", (1, 20, 2, 1)),
        ("fast3", (1, 10, 2, 1)),
        ("manual", (1, 77, 5, 0)),
    ],
)
def test_a_mode_overrides_its_four(mode: str, expected: tuple[int, ...]) -> None:
    kcp = client(mode=mode, nodelay=1, interval=77, resend=5, nc=0).kcp
    assert not kcp.is_auto
    assert (kcp.nodelay, kcp.interval, kcp.resend, kcp.nc) == expected


BY_HAND_EXAMPLES = {
    "sndwnd": 256, "rcvwnd": 256, "nodelay": 1, "interval": 15, "resend": 3, "nc": 0,
    "datashard": 20, "parityshard": 5,
}  # fmt: skip


def test_the_settings_by_hand_are_all_named_here() -> None:
    assert set(BY_HAND_EXAMPLES) == set(BY_HAND)


@pytest.mark.parametrize("side", [CLIENT, SERVER])
@pytest.mark.parametrize("name", BY_HAND)
def test_a_setting_by_hand_without_a_mode_means_kcptuns_fast(name: str, side: str) -> None:
    """All settings are then those of Go, and fast overrides its four as it does there."""
    gos = {CLIENT: KcpSettings(smuxver=1), SERVER: KcpSettings(sndwnd=1024, rcvwnd=1024)}
    expected = replace(gos[side], mode="manual")
    if name not in {"nodelay", "interval", "resend", "nc"}:
        expected = replace(expected, **{name: BY_HAND_EXAMPLES[name]})  # type: ignore[arg-type]
    assert read(json.dumps({name: BY_HAND_EXAMPLES[name]}), side).kcp == expected
    # A default that is written is a setting, too.
    default = read(json.dumps({name: getattr(expected, name)}), side).kcp
    assert not default.is_auto
    assert (default.session_buffer, default.stream_buffer) == (4 << 20, 2 << 20)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_setting_by_hand_beside_auto_has_no_effect_and_says_so(name: str) -> None:
    config = client(mode="auto", **{name: BY_HAND_EXAMPLES[name]})
    assert config.kcp == client().kcp
    warning = f"{name} has no effect with mode auto: remove it, or write another mode"
    assert [text for text in config.warnings if "auto" in text] == [warning]


@pytest.mark.parametrize(
    ("values", "buffers"),
    [
        ({}, (128 << 20, 128 << 20)),
        ({"smuxbuf": 4194304}, (4 << 20, 4 << 20)),
        ({"streambuf": 2097152}, (128 << 20, 2 << 20)),
        ({"smuxbuf": 3 << 20, "streambuf": 1 << 20}, (3 << 20, 1 << 20)),
        ({"mode": "fast"}, (4 << 20, 2 << 20)),
        ({"mode": "fast", "smuxbuf": 64 << 20}, (64 << 20, 2 << 20)),
    ],
)
def test_buffers_that_are_given_are_bounds_that_hold(
    values: dict[str, object], buffers: tuple[int, int]
) -> None:
    kcp = client(**values).kcp
    assert (kcp.session_buffer, kcp.stream_buffer) == buffers


def test_hints_of_the_line_reach_the_core() -> None:
    for kcp in (client(up="20mbit", down="2.5 MB/s").kcp, server(down="2.5 MB/s", up="20mbit").kcp):
        assert (kcp.up_rate, kcp.down_rate) == (2_500_000, 2_500_000)
    assert (client().kcp.up_rate, client().kcp.down_rate) == (None, None)


@pytest.mark.parametrize(("text", "share"), [("0", 0.0), ("0.2", 0.2), ("20%", 0.2)])
def test_a_share_of_overhead_reaches_the_core(text: str, share: float) -> None:
    assert client(max_overhead=text).kcp.overhead_share == share
    assert client().kcp.overhead_share == _core.DEFAULT_OVERHEAD


@pytest.mark.parametrize("name", ["up", "down"])
@pytest.mark.parametrize("rate", ["20", "2500000", "20mb", "20mb/s", "1kbit", "fast"])
def test_a_rate_without_its_unit_is_refused(name: str, rate: str) -> None:
    error = refused(CLIENT, **{name: rate})
    assert (error.key, error.value) == (name, f'"{rate}"')
    assert error.fix == "write a rate with its unit, for example 20mbit or 2.5 MB/s"


@pytest.mark.parametrize(("side", "other"), [(CLIENT, SERVER), (SERVER, CLIENT)])
def test_a_hint_for_the_other_end_alone_is_named(side: str, other: str) -> None:
    name = {CLIENT: "down", SERVER: "up"}[side]
    (warning,) = [w for w in read(f'{{"{name}": "1mbit"}}', side).warnings if "effect" in w]
    assert warning == f"{name} has no effect on a {side}: write it into the file of the {other}"


def test_the_file_overrides_the_flags_key_by_key(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    path.write_text('{"mtu": 1200, "nocomp": false}')
    flags = kcptun_flags(["-c", str(path), "-mtu", "1300", "-nocomp", "-conn", "4"])
    config = kcptun_from_flags(flags, CLIENT, {})
    assert isinstance(config, KcptunClient)
    assert (config.kcp.mtu, config.kcp.nocomp, config.link.conn) == (1200, False, 4)
    assert config.source == str(path)


def test_the_file_overrides_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    path.write_text('{"localaddr": ":1", "key": "file"}')
    monkeypatch.setenv("KCPTUN_KEY", "variable")
    config = load(path)
    assert isinstance(config, KcptunClient)
    assert config.kcp.key == "file"
    path.write_text('{"localaddr": ":1"}')
    config = load(path)
    assert isinstance(config, KcptunClient)
    assert config.kcp.key == "variable"


@pytest.mark.parametrize(
    ("text", "mtu"),
    [
        ('{"MTU": 1200}', 1200),
        ('{"mTu": 1200}', 1200),
        ('{"mtu": 1200, "MTU": 1201}', 1201),
        ('{"mtu": 1200, "MTU": 1201, "mtu": 1202}', 1202),
        ('{"mtu": null}', 1350),
        ('{"mtu": 1200} {"mtu": 1300}', 1200),
        ('{"mtu": 1200} and then // anything', 1200),
        (' \r\n\t{"mtu": 1200}', 1200),
    ],
)
def test_json_as_go_reads_it(text: str, mtu: int) -> None:
    assert read(text, CLIENT).kcp.mtu == mtu


def test_what_go_does_not_read_is_named() -> None:
    text = json.dumps({"mtu": 1200, "key": SECRET, "crypt": "aes-128-gcm"})
    warnings = read(f'{text}\n{{"mtu": 1300}}', CLIENT).warnings
    assert warnings == ("goes on after its first value, at line 2, column 1: not read",)


@pytest.mark.parametrize(
    ("values", "role"),
    [
        ({"localaddr": ":1"}, KcptunClient),
        ({"REMOTEADDR": "a:1"}, KcptunClient),
        ({"listen": ":1"}, KcptunServer),
        ({"target": "a:1", "listen": None}, KcptunServer),
    ],
)
def test_the_addresses_decide_the_side(values: dict[str, object], role: type) -> None:
    assert isinstance(read(json.dumps(values)), role)


@pytest.mark.parametrize(
    "values",
    [{}, {"mtu": 1200, "conn": 5}, {"localaddr": ":1", "listen": ":2"}, {"localaddr": None}],
)
def test_no_side_or_both_is_an_error_that_names_the_programs(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        read(json.dumps(values))
    assert "kcptun-client" in caught.value.fix
    assert "kcptun-server" in caught.value.fix


def test_a_file_of_the_other_side_is_refused() -> None:
    error = refused(CLIENT, listen=":1")
    assert (error.source, error.key) == ("k.json", "listen")
    assert "kcptun-server" in error.fix


def test_a_key_of_the_other_side_has_no_effect_and_says_so() -> None:
    assert "conn has no effect on a server" in server(conn=5).warnings


WRONG_TYPE: dict[Kind, tuple[object, ...]] = {
    Kind.TEXT: (1, True, ["x"], {"x": 1}, 1.5),
    Kind.INTEGER: ("1", True, 1.0, 1e3, [1], {}),
    Kind.BOOLEAN: (0, 1, "true", []),
    Kind.PORTS: (0, 53, "true", [], [0], ["53"], [True]),
}


@pytest.mark.parametrize("option", KCPTUN_OPTIONS, ids=lambda option: str(option.name))
def test_every_key_refuses_every_wrong_type(option: Option) -> None:
    for value in WRONG_TYPE[option.kind] if option.json_key else ():
        for side in option.defaults:
            error = refused(side, **{option.json_key: value})
            assert (error.source, error.key) == ("k.json", option.json_key)
            assert error.problem == f"is not {option.kind.value}"
            assert error.value != ""
            assert error.fix.startswith("write ")


@pytest.mark.parametrize("option", KCPTUN_OPTIONS, ids=lambda option: str(option.name))
def test_every_number_has_bounds(option: Option) -> None:
    if option.kind is not Kind.INTEGER:
        assert option.low is option.high is None
        return
    assert option.low is not None
    assert option.high is not None
    for value in (option.low - 1, option.high + 1, -(2**70), 2**70):
        if as_kcptun(option.name, value) is not None:
            continue
        for side in option.defaults:
            error = refused(side, **{option.json_key: value})
            assert (error.key, error.problem) == (option.json_key, "is out of range")
            assert str(option.low) in error.fix
            assert error.value == str(value)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("mtu", 50, 1500),
        ("sndwnd", 1, 65535),
        ("rcvwnd", 1, 65535),
        ("keepalive", 1, 30),
        ("dscp", 0, 63),
        ("smuxver", 1, 2),
        ("framesize", 1, 65535),
        ("interval", 10, 5000),
        ("datashard", 0, 255),
        ("parityshard", 0, 255),
    ],
)
def test_bounds_are_those_of_the_wire(name: str, low: int, high: int) -> None:
    option = next(o for o in KCPTUN_OPTIONS if o.name == name)
    assert (option.low, option.high) == (low, high)


@pytest.mark.parametrize(
    ("values", "key", "fix"),
    [
        ({"crypt": "AES"}, "crypt", "did you mean aes?"),
        ({"crypt": "aes-256"}, "crypt", "did you mean aes"),
        ({"crypt": "rot13"}, "crypt", "known: aes, "),
        ({"crypt": ""}, "crypt", "known: aes, "),
        ({"mode": "turbo"}, "mode", "manual"),
        ({"mode": "Fast2"}, "mode", "did you mean fast2?"),
        ({"localaddr": "nowhere:x"}, "localaddr", "host:port"),
        ({"localaddr": "::1:80"}, "localaddr", "[IPv6 address]:port"),
        ({"localaddr": ":65536"}, "localaddr", "host:port"),
        ({"localaddr": ""}, "localaddr", "host:port"),
        ({"localaddr": "a\u0007:1"}, "localaddr", ":12948"),
        ({"remoteaddr": "host"}, "remoteaddr", "host:port"),
        ({"remoteaddr": "host:0"}, "remoteaddr", "1..65535"),
        ({"remoteaddr": "host:1-65536"}, "remoteaddr", "1..65535"),
        ({"remoteaddr": "host:5-4"}, "remoteaddr", "1..65535"),
        ({"log": "a\u0000b"}, "log", "write a string"),
        ({"streambuf": 134217729}, "streambuf", "smuxbuf"),
        ({"smuxbuf": 1000, "mode": "fast"}, "smuxbuf", "streambuf"),
        ({"datashard": 200, "parityshard": 56}, "datashard", "255"),
        ({"parityshard": 246}, "parityshard", "255"),
        ({"mtu": 77, "mode": "fast"}, "mtu", "78..1500"),
        ({"mtu": 69, "datashard": 0}, "mtu", "70..1500"),
        ({"mtu": 77}, "mtu", "78..1500"),
        ({"mtu": 69, "max_overhead": "0"}, "mtu", "70..1500"),
        ({"mtu": 57, "crypt": "null", "datashard": 10}, "mtu", "58..1500"),
        ({"mtu": 85, "crypt": "aes-128-gcm", "mode": "manual"}, "mtu", "86..1500"),
    ],
)  # fmt: skip
def test_wrong_values_name_file_key_and_fix(values: dict[str, object], key: str, fix: str) -> None:
    error = refused(CLIENT, **values)
    assert (error.source, error.key) == ("k.json", key)
    assert error.value.startswith(json.dumps(values[key], ensure_ascii=False))
    assert fix in error.fix
    assert str(error).startswith(f"k.json: {key} = ")


@pytest.mark.parametrize("crypt", CRYPTS)
def test_every_cipher_is_accepted(crypt: str) -> None:
    assert client(crypt=crypt).kcp.crypt == crypt


@pytest.mark.parametrize(
    ("crypt", "near"),
    [
        *(("ase", "aes"), ("AES", "aes"), ("aes-256", "aes"), ("AES_256-cfb", "aes")),
        *(("aes256", "aes"), ("aes-192-cfb", "aes-192"), ("salsa", "salsa20"), ("des", "3des")),
        *(("chacha20", "salsa20"), ("aes-256-gcm", "aes-128-gcm"), ("plain", "none")),
    ],
)
def test_an_unknown_cipher_is_an_error_and_not_aes(crypt: str, near: str) -> None:
    error = refused(CLIENT, crypt=crypt)
    assert (error.key, error.problem) == (
        "crypt",
        "is unknown, and kcptun runs aes in its place",
    )
    assert error.fix.startswith(f"did you mean {near}? ")


def test_keys_that_nothing_reads_are_named_unless_they_are_comments() -> None:
    comments = {"_comment": 1, "//": 2, "#x": 3, "Remarks": 4, "description": 5}
    config = client(**comments, vendor=SECRET, pid=1)
    assert [warning for warning in config.warnings if "no such key" in warning] == [
        "vendor is ignored, as in the original: there is no such key",
        "pid is ignored, as in the original: there is no such key",
    ]


@pytest.mark.parametrize(
    ("name", "key"), [("l", "localaddr"), ("ds", "datashard"), ("R", "remoteaddr")]
)
def test_short_names_of_flags_are_no_keys(name: str, key: str) -> None:
    error = refused(CLIENT, **{name: "1"})
    assert (error.key, error.problem) == (name, "is a flag")
    assert error.fix.startswith(f"write {key}")


def test_a_key_that_is_there_twice_is_named() -> None:
    config = kcptun_from_document(
        parse_document('{"mtu": 1300, "MTU": 1250, "mtu": 1200, "conn": 2, "conn": 3}', "k.json"),
        *(CLIENT, {}),
    )
    assert isinstance(config, KcptunClient)
    assert (config.kcp.mtu, config.link.conn) == (1200, 3)
    assert [w for w in config.warnings if "more than once" in w] == [
        '"mtu" is there more than once: the last one counts',
        '"conn" is there more than once: the last one counts',
    ]


@pytest.mark.parametrize(
    ("key", "near"),
    [
        *((f"{o.json_key}x", o.json_key) for o in KCPTUN_OPTIONS if len(o.json_key) > 3),
        ("local_addr", "localaddr"),
        ("remote-addr", "remoteaddr"),
        ("kye", "key"),
        ("sendwnd", "sndwnd"),
        ("password", "key"),
        ("cipher", "crypt"),
        ("Remote", "remoteaddr"),
    ],
)
def test_an_unknown_key_suggests_the_nearest(key: str, near: str) -> None:
    error = refused(CLIENT, **{key: SECRET})
    assert (error.source, error.key, error.problem) == ("k.json", key, "there is no such key")
    assert f"did you mean {near}?" in error.fix
    assert SECRET not in str(error)


def test_hostile_keys_stay_on_one_line() -> None:
    (warning,) = [w for w in client(**{"a\n\x1b[31m" + "b" * 500: 1}).warnings if "such" in w]
    assert warning.isprintable()
    assert len(warning) < 160
    assert refused(CLIENT, **{"key\n": SECRET}).key == "key\\u000a"


@pytest.mark.parametrize("value", [[SECRET], {SECRET: SECRET}, 12345678, "\ud800" + SECRET])
def test_a_secret_is_never_shown(value: object) -> None:
    error = refused(CLIENT, key=value)
    for text in (str(error), repr(error)):
        assert "hunter2" not in text
        assert "12345678" not in text
    assert SECRET not in repr(client(key=SECRET))


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({"key": "k" * 211}, []),
        ({"key": "k" * 210}, ["at least 211 bytes"]),
        ({"key": "k" * 210, "qpp-revision": "A"}, []),
        ({"key": "k" * 209, "qpp-revision": "A"}, ["at least 210 bytes"]),
        ({"key": "ü" * 106}, []),
        ({"key": "k" * 211, "qpp-count": 5}, ["QPPCount 5 makes few"]),
        ({"key": "k" * 211, "qpp-count": 64}, ["QPPCount 64 shares a factor with 8"]),
        ({"key": "k", "qpp-count": 6}, ["too short", "few", "factor"]),
    ],
)
def test_weaknesses_of_pads_are_named(values: dict[str, object], warned: list[str]) -> None:
    warnings = [text for text in client(qpp=True, **values).warnings if "QPP" in text]
    assert len(warnings) == len(warned)
    assert all(word in warning for word, warning in zip(warned, warnings, strict=True))
    assert "QPP" not in " ".join(client(qpp=False, **values).warnings)


def test_pads_are_set_by_flags() -> None:
    flags = kcptun_flags(["-QPP", "-QPPCount", "101", "--QPPRevision=A"])
    kcp = kcptun_from_flags(flags, CLIENT, {}).kcp
    assert (kcp.qpp, kcp.qpp_count, kcp.qpp_revision) == (True, 101, "A")


@pytest.mark.parametrize(
    ("key", "value"),
    [("qpp-count", 0), ("qpp-count", -1), ("qpp-count", 65536), ("qpp-revision", "C")],
)
def test_pads_that_cannot_be_are_refused(key: str, value: object) -> None:
    assert refused(CLIENT, **{key: value}).key == key


def test_a_long_scavengettl_warns_when_it_was_chosen() -> None:
    good = {"key": SECRET, "crypt": "aes-128-gcm", "autoexpire": 100}
    assert client(**good).warnings == ()
    assert "scavengettl 300" in client(**good, scavengettl=300).warnings[0]


def test_either_shard_may_be_zero() -> None:
    for values in ({"datashard": 0}, {"parityshard": 0}, {"datashard": 252}):
        assert client(**values).kcp.datashard in {0, 10, 252}


def test_memory_counts_with_mode_auto_alone() -> None:
    assert server(memory="64mb").warnings == server().warnings
    assert server(memory="64mb").memory == 64_000_000
    warning = (
        "memory has no effect without mode auto: rcvwnd, smuxbuf and streambuf bound each session"
    )
    assert warning in server(memory="64mb", mode="fast").warnings
