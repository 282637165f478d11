from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blinktun.address import Address
from blinktun.config.model import PresetSpec
from blinktun.effects import ConnectTo, Forward, Reject
from blinktun.errors import ConfigError, LocalError, RemoteError
from blinktun.presets.auto_conf import AutoConf
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.registry import PipelineMaker
from blinktun.testing.pair import forwarded, replied, targets

if TYPE_CHECKING:
    from blinktun.presets.pipeline import Pipeline

TARGET = Address("example.com", 80)
KEY = "correct horse battery staple"

# What a client of release 3.1.0 wrote for the suites PLAIN and PADDED.
RECORDED_AT = 1795404345.3
CONNECTION = bytes.fromhex(
    "0335afdf5ea80a704b6ef526519cc8acdaa4f3895e960ec18b5e2cb19ec358ee5ed2597db70014030b6578616d70"
    "6c652e636f6d005068656c6c6f"
)
DATAGRAM = bytes.fromhex(
    "fec892bd348baf79509a310118f5aac3cf3c5b21512d030b6578616d706c652e636f6d005068656c6c6f"
)

PLAIN: list[dict[str, object]] = [{"name": "ss-base"}]
PADDED: list[dict[str, object]] = [{"name": "ss-base"}, {"name": "obfs-random-padding"}]
SEALED: list[dict[str, object]] = [{"name": "ss-base"}, {"name": "ss-aead-cipher"}]
NO_DATAGRAMS: list[dict[str, object]] = [
    {"name": "ss-base"},
    {"name": "aead-random-cipher", "params": {"method": "aes-128-gcm"}},
]


class Both:
    """Both ends, with clocks of their own."""

    def __init__(self, folder: Path, *suites: list[dict[str, object]]) -> None:
        path = folder / "suites.json"
        path.write_text(json.dumps([{"presets": suite} for suite in suites]))
        self._make = PipelineMaker([PresetSpec("auto-conf", {"suites": str(path)})])

    def client(self, now: float = 0, sid: bytes = b"\0\0") -> Pipeline:
        drawn = iter([sid])
        context = PresetContext(
            Role.CLIENT, KEY, lambda size: next(drawn, bytes(size)), lambda: now
        )
        client = self._make(context)
        client.set_target(TARGET)
        return client

    def server(self, now: float = 0) -> Pipeline:
        return self._make(PresetContext(Role.SERVER, KEY, clock=lambda: now))


def test_a_recorded_connection_wherever_it_is_cut(tmp_path: Path) -> None:
    both = Both(tmp_path, PLAIN, PADDED)
    for size in (1, 5, 100):
        server = both.server(RECORDED_AT)
        effects = [
            effect
            for at in range(0, len(CONNECTION), size)
            for effect in server.decode(CONNECTION[at : at + size])
        ]
        assert targets(effects) == [TARGET]
        assert forwarded(effects) == b"hello"
        assert server.decode_eof() == []


def test_our_client_writes_the_same(tmp_path: Path) -> None:
    client = Both(tmp_path, PLAIN, PADDED).client(RECORDED_AT, CONNECTION[:2])
    assert client.encode(b"") != []
    client = Both(tmp_path, PLAIN, PADDED).client(RECORDED_AT, CONNECTION[:2])
    wire = forwarded(client.encode(b"hello"))
    assert wire[:22] == CONNECTION[:22]
    assert wire[22:] == bytes.fromhex("000014030b6578616d706c652e636f6d005068656c6c6f")


def test_a_recorded_datagram(tmp_path: Path) -> None:
    server = Both(tmp_path, PLAIN, PADDED).server(RECORDED_AT)
    assert server.decode_datagram(DATAGRAM) == (TARGET, b"hello")
    answer = server.encode_datagram(b"answer", TARGET)
    client = Both(tmp_path, PLAIN, PADDED).client(RECORDED_AT, DATAGRAM[:2])
    assert client.encode_datagram(b"hello", TARGET) == DATAGRAM
    assert client.decode_datagram(answer) == (TARGET, b"answer")


@pytest.mark.parametrize("sid", [b"\0\0", b"\1\0", b"\2\0", b"\xff\xff"])
def test_both_ends_use_the_list_that_the_client_drew(tmp_path: Path, sid: bytes) -> None:
    both = Both(tmp_path, PLAIN, PADDED, SEALED)
    client, server = both.client(100, sid), both.server(120)
    wire = forwarded(client.encode(b"one")) + forwarded(client.encode(b"two"))
    effects = server.decode(wire)
    assert effects[0] == ConnectTo(TARGET)
    assert forwarded(effects) == b"onetwo"
    assert forwarded(client.decode(forwarded(server.encode(b"answer")))) == b"answer"


def test_old_and_foreign_headers_are_refused(tmp_path: Path) -> None:
    both = Both(tmp_path, PLAIN)
    wire = forwarded(both.client(100).encode(b"x"))
    assert both.server(130).decode(wire)[0] == ConnectTo(TARGET)
    for now in (131, 69):
        (effect,) = both.server(now).decode(wire)
        assert effect == Reject("the header is more than 30 s old, or a clock is wrong")
    refusal = Reject("the signature of the header does not fit")
    assert both.server(100).decode(bytes(22)) == [refusal]
    server = both.server(100)
    assert server.decode(wire[:21]) == []
    assert server.decode_eof() == [Reject("ended inside a header")]
    for short in (b"", wire[:21], bytes(40)):
        with pytest.raises(RemoteError):
            both.server(100).decode_datagram(short)


def test_a_server_waits_for_its_client(tmp_path: Path) -> None:
    server = Both(tmp_path, PLAIN).server()
    assert server.encode(b"x") == [Reject("a server cannot speak before its client")]
    with pytest.raises(LocalError):
        Both(tmp_path, PLAIN).server().encode_datagram(b"x", TARGET)


def test_datagrams_use_a_list_that_carries_them(tmp_path: Path) -> None:
    both = Both(tmp_path, NO_DATAGRAMS, SEALED)
    for sid in (b"\0\0", b"\1\0"):
        wire = both.client(sid=sid).encode_datagram(b"x", TARGET)
        assert wire[:2] == b"\1\0"
        assert both.server().decode_datagram(wire) == (TARGET, b"x")
    with pytest.raises(LocalError):
        Both(tmp_path, NO_DATAGRAMS).client().encode_datagram(b"x", TARGET)
    wire = Both(tmp_path, PLAIN).client().encode_datagram(b"x", TARGET)
    with pytest.raises(RemoteError):
        Both(tmp_path, NO_DATAGRAMS).server().decode_datagram(wire)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "holds no list of suites"),
        ("[]", "holds no list of suites"),
        ("[1]", "holds a suite without presets"),
        ('[{"presets": {}}]', "holds a suite without presets"),
        *(
            (f'[{{"presets": [{preset}]}}]', "holds a suite with something that is no preset")
            for preset in ("1", "{}", '{"name": "ss-base", "params": 1}', '{"name": "auto-conf"}')
        ),
        ("[", "Expecting value"),
        ("[" * 100_000, "is nested too deeply"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "suites.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        AutoConf.configure({"suites": str(path)})
    assert caught.value.key == "suites"
    assert problem in caught.value.problem


def test_errors_inside_of_suites_are_named_in_full(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Both(tmp_path, PLAIN, [{"name": "ss-bas"}])
    assert caught.value.key == "presets[0].params.suites[1].presets[0].name"


def test_presets_of_ones_own_stand_beside_the_file(tmp_path: Path) -> None:
    example = Path(__file__).parents[3] / "examples/presets/greeting.py"
    (tmp_path / "greeting.py").write_text(example.read_text())
    both = Both(tmp_path, [*PLAIN, {"name": "greeting.py", "params": {"word": "hi"}}])
    wire = forwarded(both.client().encode(b"x"))
    assert Forward(b"x") in both.server().decode(wire)


def test_nothing_is_fetched() -> None:
    with pytest.raises(ConfigError) as caught:
        AutoConf.configure({"suites": "http://example.com/suites.json"})
    assert caught.value.problem == "is not fetched"
    assert caught.value.fix == "download it, and write the path of the file at both ends"


def test_a_list_that_holds_back(tmp_path: Path) -> None:
    tls: dict[str, object] = {"name": "obfs-tls1.2-ticket", "params": {"sni": "example.com"}}
    both = Both(tmp_path, [{"name": "ss-base"}, tls])
    client, server = both.client(), both.server()
    flight = replied(server.decode(forwarded(client.encode(b"hello"))))
    assert client.holds_back
    effects = server.decode(replied(client.decode(flight)))
    assert targets(effects) == [TARGET]
    assert forwarded(effects) == b"hello"
