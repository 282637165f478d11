"""What stands for an address: host and port, a range of ports, a path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blinktun.address import Address
from blinktun.config.addresses import LONGEST_PATH, port_range, stream_address
from blinktun.config.explain import Origin
from blinktun.config.model import PortRange, StreamAddress
from blinktun.config.options import CLIENT, SERVER, by_key
from blinktun.config.options_kcptun import KCPTUN_OPTIONS
from blinktun.config.settings import Settings
from blinktun.errors import ConfigError

VECTORS = Path(__file__).parents[2] / "vectors" / "misc.json"


def settings(side: str, name: str, text: object) -> Settings:
    made = Settings(KCPTUN_OPTIONS, side, source="k.json")
    made.put(by_key(KCPTUN_OPTIONS)[name], text, Origin("k.json", name, json.dumps(text)))
    return made


def local(text: str) -> StreamAddress:
    return stream_address(settings(CLIENT, "localaddr", text), "localaddr")


def listen(text: object) -> PortRange:
    return port_range(settings(SERVER, "listen", text), "listen")


def _vectors() -> list[dict[str, object]]:
    vectors = json.loads(VECTORS.read_text())["multiport"]["vectors"]
    assert isinstance(vectors, list)
    return vectors


@pytest.mark.parametrize("vector", _vectors(), ids=lambda vector: str(vector["address"]))
def test_port_ranges_of_the_vectors(vector: dict[str, object]) -> None:
    """What Go refuses we refuse; what it accepts by accident (no anchors), too."""
    address = vector["address"]
    if "error" in vector or address in {"a:b:123", "dir/sock:80", "host:80-90-100"}:
        with pytest.raises(ConfigError, match="listen = ") as caught:
            listen(address)
        assert "3000-4000" in caught.value.fix
        return
    host = str(vector["host"]).strip("[]")
    assert listen(address) == PortRange(host, vector["min"], vector["max"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("host:1", PortRange("host", 1, 1)),
        ("[::1]:3000-4000", PortRange("::1", 3000, 4000)),
        ("[fe80::1%eth0]:5-6", PortRange("fe80::1%eth0", 5, 6)),
        (":7-7", PortRange("", 7, 7)),
    ],
)
def test_a_range_prints_as_it_is_written(text: str, made: PortRange) -> None:
    assert listen(text) == made
    assert str(made) == text.replace("7-7", "7")
    assert list(made.ports) == list(range(made.first, made.last + 1))


@pytest.mark.parametrize(
    "text", ["[name]:1", "[]:1", "[::1:1", "::1:1", "", "/run/k.sock", "a:1-x"]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="listen = "):
        listen(text)


def test_an_empty_host_to_connect_to_is_this_machine() -> None:
    remote = settings(CLIENT, "remoteaddr", ":5-6")
    assert port_range(remote, "remoteaddr", empty_host="127.0.0.1") == PortRange("127.0.0.1", 5, 6)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (":1", Address("", 1)),
        ("host:1", Address("host", 1)),
        ("[::]:1", Address("::", 1)),
        ("[fe80::1%eth0]:1", Address("fe80::1%eth0", 1)),
        ("/run/k.sock", Path("/run/k.sock")),
        ("k.sock", Path("k.sock")),
        ("./k:1", Path("k:1")),
        ("@name", Path("@name")),
        ("host", Path("host")),
        ("/" + "k" * (LONGEST_PATH - 1), Path("/" + "k" * (LONGEST_PATH - 1))),
    ],
)
def test_what_is_no_host_and_port_is_a_path(text: str, made: StreamAddress) -> None:
    assert local(text) == made


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "port is missing"),
        ("127.0.0.1", "has no host or no port"),
        ("localhost", "has no host or no port"),
        ("12948", "has no host or no port"),
        ("::1:80", "brackets"),
        ("[name]:1", "brackets"),
        ("host:http", "'http' is not a port"),
        ("host:65536", "not a port"),
        ("/" + "k" * LONGEST_PATH, "too long"),
        ("/" + "ü" * 60, "too long"),
    ],
)
def test_what_is_neither_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        local(text)
    assert caught.value.key == "localaddr"
    assert caught.value.fix.startswith("write ")
