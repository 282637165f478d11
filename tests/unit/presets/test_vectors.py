"""Known answers of blinksocks 3.3.8, for every session made of presets that exist here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import pytest

from blinktun.address import Address
from blinktun.config.model import PresetSpec
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.registry import PRESETS, PipelineMaker
from blinktun.testing.pair import forwarded, targets
from blinktun.testing.randomness import Counting, Recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.presets.pipeline import Pipeline

FILES = (
    *("ss-base", "base-auth", "ss-stream-cipher", "ss-aead-cipher"),
    *("ssr-auth-aes128", "ssr-auth-chain"),
    *("v2ray-vmess", "aead-random-cipher", "obfs-random-padding"),
    "combinations",
)
SSR_AES128 = {"ssr-auth-aes128-md5", "ssr-auth-aes128-sha1"}


class Session(TypedDict):
    id: str
    mode: str
    key: str
    presets: list[dict[str, Any]]
    target: dict[str, object]
    now: NotRequired[int]
    client_to_server: list[dict[str, Any]]
    server_to_client: list[dict[str, Any]]


def _sessions(mode: str) -> list[Session]:
    folder = Path(__file__).parents[2] / "vectors/blinksocks"
    sessions: list[Session] = []
    for name in FILES:
        sessions += json.loads((folder / f"{name}.json").read_text("utf-8"))["sessions"]
    return [
        session
        for session in sessions
        if session["mode"] == mode and all(p["name"] in PRESETS for p in session["presets"])
    ]


SESSIONS = _sessions("tcp")
ASSOCIATIONS = _sessions("udp")
any_session = pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session["id"])
any_association = pytest.mark.parametrize(
    "session", ASSOCIATIONS, ids=lambda session: session["id"]
)


def test_there_are_as_many_as_there_should_be() -> None:
    assert len(SESSIONS) == 3 + 3 + 13 + 9 + 6 + 8 + 5 + 4 + 1 + 2
    assert len(ASSOCIATIONS) == 3 + 3 + 13 + 9 + 6 + 6 + 1 + 2


@any_session
def test_client_writes_the_recorded_bytes(session: Session) -> None:
    client = _pipeline(session, Role.CLIENT, _recorded(session))
    client.set_target(_target(session))
    for message in session["client_to_server"]:
        wire = forwarded(client.encode(_bytes(message, "plain")))
        assert wire.hex() == message["wire"]


@any_session
@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_server_reads_the_recorded_bytes(session: Session, size: int) -> None:
    server = _pipeline(session, Role.SERVER)
    wire = b"".join(_bytes(message, "wire") for message in session["client_to_server"])
    effects = [
        effect for at in range(0, len(wire), size) for effect in server.decode(wire[at : at + size])
    ]
    assert targets(effects) == [_target(session)]
    plain = b"".join(_bytes(message, "plain") for message in session["client_to_server"])
    assert forwarded(effects) == plain
    assert server.decode_eof() == []


@any_session
@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_client_reads_the_recorded_answer(session: Session, size: int) -> None:
    client = _pipeline(session, Role.CLIENT, _recorded(session))
    client.set_target(_target(session))
    for message in session["client_to_server"]:  # answers may depend on what was asked
        client.encode(_bytes(message, "plain"))
    wire = b"".join(_bytes(message, "wire") for message in session["server_to_client"])
    plain = b"".join(
        forwarded(client.decode(wire[at : at + size])) for at in range(0, len(wire), size)
    )
    assert plain == b"".join(_bytes(message, "plain") for message in session["server_to_client"])


@any_association
def test_client_writes_the_recorded_datagrams(session: Session) -> None:
    client = _pipeline(session, Role.CLIENT, _recorded(session))
    for message in session["client_to_server"]:
        wire = client.encode_datagram(_bytes(message, "plain"), _target(session))
        assert wire.hex() == message["wire"]


@any_association
def test_server_reads_the_recorded_datagrams(session: Session) -> None:
    server = _pipeline(session, Role.SERVER)
    for message in session["client_to_server"]:
        target, plain = server.decode_datagram(_bytes(message, "wire"))
        assert target == _target(session)
        assert plain == _bytes(message, "plain")


@any_association
def test_client_reads_the_recorded_datagrams(session: Session) -> None:
    client = _pipeline(session, Role.CLIENT)
    for message in session["server_to_client"]:
        source, plain = client.decode_datagram(_bytes(message, "wire"))
        assert source in {_target(session), None}
        assert plain == _bytes(message, "plain")


@any_association
def test_both_ends_understand_each_others_datagrams(session: Session) -> None:
    client, server = (_pipeline(session, role) for role in (Role.CLIENT, Role.SERVER))
    target = _target(session)
    for payload in (b"", b"x", bytes(range(256)) * 5):
        wire = client.encode_datagram(payload, target)
        assert server.decode_datagram(wire) == (target, payload)
        source, answer = client.decode_datagram(server.encode_datagram(payload, target))
        assert source in {target, None}
        assert answer == payload


def _pipeline(
    session: Session, role: Role, random: Callable[[int], bytes] | None = None
) -> Pipeline:
    make = PipelineMaker(_specs(session))
    random = random or Counting(role is Role.SERVER)
    clock = session.get("now", 0)
    return make(PresetContext(role, session["key"], random, lambda: clock))


def _recorded(session: Session) -> Recorded:
    """What our client has to draw in order to write the recorded bytes."""
    names = {preset["name"] for preset in session["presets"]}
    drawn: list[bytes] = []
    for message in session["client_to_server"]:
        for label, value in message["randomness"]:
            raw = (
                value.to_bytes(8, "little", signed=True)
                if isinstance(value, int)
                else bytes.fromhex(value)
            )
            match label:
                case "connection_id_before_increment":
                    raw = raw[:3]
                case "padding_len":
                    raw = raw[:1]
                case "timestamp_offset":  # drawn from -25 on
                    raw = bytes((value + 25,))
                case "random_bytes_len":
                    raw = raw[:2]
                case "part1_random" if not names.isdisjoint(SSR_AES128):
                    # The recorded clients put 7 bytes behind the header into the handshake.
                    drawn.append(b"\7")
                case "chunk_random_bytes" if not names.isdisjoint(SSR_AES128):
                    drawn.append(bytes((len(raw),)))
                case _ if label.endswith("padding") and "obfs-random-padding" in names:
                    drawn.append(bytes((len(raw),)))
            drawn.append(raw)
    return Recorded([raw for raw in drawn if raw])


def _specs(session: Session) -> list[PresetSpec]:
    specs = []
    for preset in session["presets"]:
        params = preset.get("params", {})
        assert isinstance(params, dict)
        specs.append(PresetSpec(str(preset["name"]), params))
    return specs


def _target(session: Session) -> Address:
    target = session["target"]
    return Address(
        str(Address(str(target["host"]), 0).ip or target["host"]), int(str(target["port"]))
    )


def _bytes(message: dict[str, object], key: str) -> bytes:
    return bytes.fromhex(str(message[key]))
