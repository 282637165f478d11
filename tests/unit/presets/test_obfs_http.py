from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from blinktun.address import Address
from blinktun.config.model import PresetSpec
from blinktun.effects import Forward, Reject
from blinktun.errors import ConfigError
from blinktun.presets.base import Preset, PresetContext, Role
from blinktun.presets.obfs_http import ObfsHttp, parse_heads
from blinktun.presets.registry import PipelineMaker
from blinktun.testing.pair import forwarded, targets
from blinktun.testing.randomness import Recorded

if TYPE_CHECKING:
    from blinktun.presets.pipeline import Pipeline

VECTOR: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors/blinksocks/obfs-http.json").read_text()
)
SECOND = (1).to_bytes(4, "big")
"""What makes a client choose the second request, as the recorded one did."""


@pytest.fixture
def heads(tmp_path: Path) -> str:
    path = tmp_path / "heads.txt"
    path.write_text(VECTOR["file_text"], newline="")
    return str(path)


def _pipeline(heads: str, role: Role) -> Pipeline:
    make = PipelineMaker([PresetSpec("ss-base"), PresetSpec("obfs-http", {"file": heads})])
    return make(PresetContext(role, "key", Recorded([SECOND])))


def _preset(role: Role, *pairs: tuple[bytes, bytes]) -> Preset:
    return ObfsHttp(pairs, PresetContext(role, "key"))


def _messages(way: str, what: str) -> list[bytes]:
    return [bytes.fromhex(message[what]) for message in VECTOR[way]]


def test_heads_as_recorded() -> None:
    recorded = tuple(
        (bytes.fromhex(pair["request"]), bytes.fromhex(pair["response"]))
        for pair in VECTOR["pairs"]
    )
    for ending in ("\n", "\r\n", "\r"):
        assert parse_heads(VECTOR["file_text"].replace("\n", ending)) == recorded


def test_client_writes_the_recorded_bytes(heads: str) -> None:
    client = _pipeline(heads, Role.CLIENT)
    client.set_target(Address(**VECTOR["target"]))
    plain, wire = (_messages("client_to_server", what) for what in ("plain", "wire"))
    assert [forwarded(client.encode(data)) for data in plain] == wire


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_both_ends_read_the_recorded_bytes(heads: str, size: int) -> None:
    client, server = (_pipeline(heads, role) for role in (Role.CLIENT, Role.SERVER))
    wire = b"".join(_messages("client_to_server", "wire"))
    effects = [
        effect for at in range(0, len(wire), size) for effect in server.decode(wire[at : at + size])
    ]
    assert targets(effects) == [Address(**VECTOR["target"])]
    assert forwarded(effects) == b"".join(_messages("client_to_server", "plain"))
    wires = _messages("server_to_client", "wire")
    assert [forwarded(server.encode(d)) for d in _messages("server_to_client", "plain")] == wires
    wire = b"".join(wires)
    plain = [forwarded(client.decode(wire[at : at + size])) for at in range(0, len(wire), size)]
    assert b"".join(plain) == b"".join(_messages("server_to_client", "plain"))


def test_the_first_head_that_fits_wherever_it_is_cut() -> None:
    pairs = ((b"GET /long", b"A"), (b"GET /", b"B"))
    for cuts in ((b"GET /lo", b"x"), (b"GET", b" /lox"), (b"GET /lox",)):
        server = _preset(Role.SERVER, *pairs)
        assert forwarded(effect for data in cuts for effect in server.decode(data)) == b"lox"
        assert server.encode(b"answer") == (Forward(b"Banswer"),)
        assert server.encode(b"more") == (Forward(b"more"),)
    server = _preset(Role.SERVER, *pairs)
    assert server.decode(b"GET /long") == ()
    assert server.decode(b"GET /long") == (Forward(b"GET /long"),)
    assert server.encode(b"") == ()


def test_other_heads_are_refused() -> None:
    assert _preset(Role.SERVER, (b"GET", b"OK")).decode(b"GOT") == (
        Reject("no head of the file fits"),
    )
    client = _preset(Role.CLIENT, (b"GET", b"OK"))
    assert client.decode_eof() == ()
    assert client.decode(b"O") == ()
    assert client.decode_eof() == (Reject("ended inside a head"),)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "holds no heads between separators"),
        (b"GET /\n", "holds no heads between separators"),
        (b"===\nGET /\n===\n", "holds 1 heads, so a request has no response"),
        (b"===\nGET /\n---\nHTTP\n", "holds 1 heads, so a request has no response"),
        (b"===\nGET /\n---\n\xff\n===\n", "is not UTF-8"),
        (b"=" * (1 << 21), "is larger than 1 MiB"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: bytes, problem: str) -> None:
    path = tmp_path / "heads.txt"
    path.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        ObfsHttp.configure({"file": str(path)})
    assert problem in caught.value.problem
    assert caught.value.key == "file"


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for params, problem in (
        ({"file": str(tmp_path / "none")}, "cannot be read: No such file or directory"),
        ({"file": str(tmp_path)}, "cannot be read: Is a directory"),
        ({"file": 1}, "is not a string"),
        ({}, "is missing"),
    ):
        with pytest.raises(ConfigError) as caught:
            ObfsHttp.configure(params)
        assert caught.value.problem == problem


def test_blank_lines_belong_to_a_head_and_empty_heads_are_none() -> None:
    assert parse_heads("=\n=\nGET /\n\nbody\n-\nHTTP\n=\n") == (
        (b"GET /\r\n\r\nbody\r\n\r\n", b"HTTP\r\n\r\n"),
    )
