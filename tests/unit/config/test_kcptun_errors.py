"""Every option of kcptun with every sort of wrong value, as its user meets it.

The command ends with status 2 and one line that names the file, the key, the value and what to
write instead, before anything runs. `ROWS` has a line for each option, or the first test fails.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from blinktun import app
from blinktun.cli import kcptun
from blinktun.config.options import CLIENT, INT_MAX, SERVER, Kind, Option
from blinktun.config.options_kcptun import KCPTUN_OPTIONS
from blinktun.config.tolerance import as_kcptun

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Values = dict[str, object]

COMMANDS = {CLIENT: kcptun.client_main, SERVER: kcptun.server_main}
OPTIONS: Mapping[str, Option] = {o.json_key: o for o in KCPTUN_OPTIONS if o.json_key}

STREAM = "write host:port, [IPv6 address]:port, :port or the path of a UNIX socket"
RANGE = "write host:port, [IPv6 address]:port, :port, or a range as host:3000-4000"
PORTS = "write a port 1..65535, or the lower and the higher port of a range as 3000-4000"
LONG = "write a path of at most 107 bytes"
UNPRINTABLE = "a\u0007b:1"

_STREAM_ROWS = (
    ("", STREAM),
    ("host:http", STREAM),
    ("host:65536", STREAM),
    ("host:", STREAM),
    ("::1:80", STREAM),
    ("[::1]80", STREAM),
    ("[host]:80", STREAM),
    ("/" + "k" * 107, LONG),
)
_RANGE_ROWS = (
    ("", RANGE),
    ("host", RANGE),
    ("host:", RANGE),
    ("host:http", RANGE),
    ("::1:80", RANGE),
    ("[host]:80", RANGE),
    ("/run/k.sock", RANGE),
    ("host:80-90-100", RANGE),
    ("host:0", PORTS),
    ("host:65536", PORTS),
    ("host:5000-4000", PORTS),
    ("host:0-5", PORTS),
    ("host:1-65536", PORTS),
)

ROWS: Mapping[str, Sequence[tuple[object, str]]] = {
    # Addresses
    "localaddr": ((UNPRINTABLE, "for example :12948"), *_STREAM_ROWS),
    "remoteaddr": ((UNPRINTABLE, "for example example.com:29900"), *_RANGE_ROWS),
    "listen": ((UNPRINTABLE, "for example :29900"), *_RANGE_ROWS),
    "target": (
        (UNPRINTABLE, "for example 127.0.0.1:12948"),
        ("host:0", "write a port 1..65535"),
        *_STREAM_ROWS,
    ),
    # Names
    "crypt": (("AES", "did you mean aes?"), ("rot13", "known: aes"), ("", "known: aes")),
    "qpp-revision": (("b", "did you mean B?"), ("C", "known: A, M, B"), ("", "known: A, M, B")),
    "mode": (("Fast", "did you mean fast?"), ("turbo", "known: auto"), ("", "known: auto")),
    "up": (("20", "20mbit or 2.5 MB/s"), ("20mb/s", "20mbit or 2.5 MB/s")),
    "down": (("20", "20mbit or 2.5 MB/s"), ("20mb/s", "20mbit or 2.5 MB/s")),
    "memory": (("256", "256mb or 1.5 GiB"), ("256m", "256mb or 1.5 GiB")),
    "max_overhead": (("20", "0.2 or 20%"), ("much", "0.2 or 20%")),
    "hop": (
        ("soon", "for example 30s"),
        ("500ms", "at least a second"),
        ("30s", "write a range"),
    ),
    # Texts
    "key": (("\ud800", "write a string"),),
    "log": (("a\0b", "write a string"),),
    "snmplog": (("a\0b", "write a string"),),
    "statedir": (("a\0b", "write a string"),),
    "udp": (),
    "udpclass": (
        ("Plain", "did you mean plain?"),
        ("reliable", "known: plain"),
        ("", "known: plain"),
    ),
    "class": (
        ("Bulk", "did you mean bulk?"),
        ("urgent", "known: learned, interactive, bulk"),
        ("", "known: learned"),
    ),
    # Numbers that have to fit others
    "datashard": ((253, "write at most 255 for both together"),),
    "parityshard": ((246, "write at most 255 for both together"),),
    "streambuf": ((134217729, "write a streambuf of at most smuxbuf bytes"),),
    "mtu": ((77, "write 78..1500 (bytes)"),),
    # Numbers and switches alone: what their table says is what there is to get wrong
    **dict.fromkeys(
        (
            *("qpp", "qpp-count", "conn", "workers", "autoexpire", "scavengettl", "sndwnd"),
            *("rcvwnd", "ratelimit", "dscp", "sockbuf", "tcp", "nocomp", "smuxver", "framesize"),
            *(
                "smuxbuf",
                "keepalive",
                "closewait",
                "nodelay",
                "interval",
                "resend",
                "nc",
                "acknodelay",
            ),
            *("quiet", "snmpperiod", "pprof", "grace"),
        ),
        (),
    ),
}


WRONG_TYPES: Mapping[Kind, Sequence[object]] = {
    Kind.TEXT: (1, 1.5, True, ["x"], {"x": 1}),
    Kind.INTEGER: ("1", "fast", 1.5, 1e3, True, [1], {}),
    Kind.BOOLEAN: (0, 1, "true", "", [], {}),
    Kind.PORTS: (0, 53, "true", "53", [], {}, [0], [65536], ["53"], [True], [53, 5.5], [1] * 1025),
}


def test_every_option_has_a_row() -> None:
    assert set(ROWS) == set(OPTIONS)


def _wrong(option: Option) -> Iterator[tuple[object, str]]:
    """What the table of options alone makes wrong, with a part of the instruction."""
    for value in WRONG_TYPES[option.kind]:
        yield value, "write "
    for value in _outside(option):
        if as_kcptun(option.name, value) is None:
            yield value, f"write an integer, {option.range_text}"
    yield from ROWS[option.json_key]


def _outside(option: Option) -> Iterator[int]:
    if option.low is not None:
        yield from (option.low - 1, -INT_MAX)
    if option.high is not None:
        yield from (option.high + 1, 2**64)


def _wrong_texts(option: Option) -> Iterator[tuple[str, str]]:
    """The same for a flag, whose value is a text."""
    if option.kind is Kind.BOOLEAN:
        yield from ((text, "write true or false") for text in ("", "yes", "2", "tRUE"))
        return
    if option.kind is Kind.PORTS:
        yield from ((text, "list of ports") for text in ("", "yes", "-1", "53,", "53,65536", "a"))
        return
    wanted = str if option.kind is Kind.TEXT else int
    for value, fix in _wrong(option):
        if isinstance(value, wanted) and not isinstance(value, bool):
            yield str(value), fix
    if option.kind is Kind.INTEGER:
        yield from ((text, option.accepts()) for text in ("", "fast", "1.5", "1e3", "1 "))


CASES = [
    pytest.param(side, key, value, fix, id=f"{side}-{key}-{str(value)[:20]!a}")
    for key, option in OPTIONS.items()
    for side in option.defaults
    for value, fix in _wrong(option)
]


@pytest.fixture(autouse=True)
def _nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KCPTUN_KEY", raising=False)
    monkeypatch.delattr(app, "run")


@pytest.mark.parametrize(("side", "key", "value", "fix"), CASES)
def test_a_wrong_value_ends_with_one_line(
    side: str,
    key: str,
    value: object,
    fix: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "k.json"
    path.write_text(json.dumps({key: value}))
    assert COMMANDS[side](["-c", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"kcptun-{side}: {path}: {key} = {_shown(value, key)}: ")
    assert fix in captured.err.rpartition("; ")[2]
    assert captured.err.count("\n") == 1
    assert captured.err.strip().isprintable()
    assert captured.out == ""


def _shown(value: object, key: str) -> str:
    """How a value looks in an error."""
    if isinstance(value, list | dict):
        return "[...]" if isinstance(value, list) else "{...}"
    if key == "key":
        return "(hidden)"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:60] + "..."


FLAG_CASES = [
    pytest.param(side, option, text, fix, id=f"{side}-{option.name}-{text[:20]!a}")
    for option in OPTIONS.values()
    for side in option.defaults
    for text, fix in _wrong_texts(option)
]


@pytest.mark.parametrize(("side", "option", "text", "fix"), FLAG_CASES)
def test_a_wrong_flag_ends_with_one_line(
    side: str, option: Option, text: str, fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert COMMANDS[side]([f"-{option.name}={text}"]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"kcptun-{side}: command line: -{option.name} = ")
    assert fix in line.rpartition("; ")[2]
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("side", "values", "key", "fix"),
    [
        (CLIENT, {"datashard": 100, "parityshard": 156}, "datashard", "at most 255"),
        (SERVER, {"streambuf": 100, "smuxbuf": 99}, "streambuf", "at most smuxbuf"),
        (CLIENT, {"crypt": "null", "mtu": 57, "mode": "fast"}, "mtu", "write 58..1500"),
        (CLIENT, {"datashard": 0, "mtu": 69}, "mtu", "write 70..1500"),
        (CLIENT, {"listen": ":1"}, "listen", "run kcptun-client"),
        (SERVER, {"remoteaddr": "a:1"}, "remoteaddr", "kcptun-server (listen, target)"),
        (CLIENT, {"keepalife": 10}, "keepalife", "did you mean keepalive?"),
        (SERVER, {"Tagret": "a:1"}, "Tagret", "did you mean target?"),
    ],
)
def test_values_that_do_not_fit_each_other(
    side: str,
    values: Values,
    key: str,
    fix: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "k.json"
    path.write_text(json.dumps(values))
    assert COMMANDS[side](["-c", str(path)]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"kcptun-{side}: {path}: {key}")
    assert fix in line
