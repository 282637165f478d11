from __future__ import annotations

from uuid import UUID

import pytest

from blinktun.address import Address
from blinktun.config.model import PresetSpec
from blinktun.effects import ConnectTo, Effect, Forward, Reject
from blinktun.errors import ConfigError
from blinktun.presets.base import Preset, PresetContext, PresetMaker, Role
from blinktun.presets.registry import PipelineMaker
from blinktun.presets.replay import NO_GUARD, ReplayGuard
from blinktun.presets.v2ray_vmess import V2rayVmess
from blinktun.presets.vmess_chunks import OPTIONS, SECURITIES, ChunkOpener, ChunkSealer
from blinktun.presets.vmess_request import Request, User
from blinktun.state.openings import Openings
from blinktun.testing.pair import forwarded
from blinktun.testing.randomness import Counting

ID = "c2485913-4e9e-41eb-8cc5-b2e7db8d3bc7"
NOW = 1_530_000_000.5
TARGET = Address("example.com", 443)
NOISE = Reject("no request of our id and time begins like this")


def _maker(**params: object) -> PresetMaker:
    return V2rayVmess.configure({"id": ID} | params)


def _server(
    make: PresetMaker | None = None, now: float = NOW, replays: ReplayGuard = NO_GUARD
) -> Preset:
    context = PresetContext(Role.SERVER, "", Counting(50), lambda: now, replays)
    return (make or _maker())(context)


def _client(make: PresetMaker | None = None, now: float = NOW, seed: int = 0) -> V2rayVmess:
    client = (make or _maker())(PresetContext(Role.CLIENT, "", Counting(seed), lambda: now))
    assert isinstance(client, V2rayVmess)
    client.set_target(TARGET)
    return client


def _request(*, options: int = OPTIONS, security: int = 3) -> tuple[Request, bytes]:
    request = Request(bytes(range(16)), bytes(range(16, 32)), 7, options, security, TARGET)
    return request, User(UUID(ID).bytes).seal(request, b"pad", int(NOW))


@pytest.mark.parametrize("value", ["", "nothing", 5, "c2485913-4e9e-41eb-8cc5-b2e7db8d3b"])
def test_ids_that_are_none(value: object) -> None:
    with pytest.raises(ConfigError, match="is not a uuid") as caught:
        _maker(id=value)
    assert caught.value.key == "id"
    assert caught.value.value == ""  # it may be nearly the right one


def test_the_id_is_required() -> None:
    with pytest.raises(ConfigError, match="is missing"):
        V2rayVmess.configure({})


def test_unknown_security() -> None:
    with pytest.raises(ConfigError, match="known: aes-128-gcm, chacha20-poly1305, none"):
        _maker(security="aes-128-cfb")


@pytest.mark.parametrize("security", SECURITIES)
def test_the_server_does_as_the_client(security: str) -> None:
    client, server = _client(_maker(security=security)), _server()
    assert list(server.decode(forwarded(client.encode(b"hello")))) == [
        ConnectTo(TARGET),
        Forward(b"hello"),
    ]
    assert forwarded(client.decode(forwarded(server.encode(b"answer")))) == b"answer"
    assert forwarded(client.decode(forwarded(server.encode(b"more")))) == b"more"
    assert client.decode_eof() == server.decode_eof() == ()


def test_the_request_goes_alone_and_once() -> None:
    client, server = _client(), _server()
    assert list(server.decode(forwarded(client.encode(b"")))) == [ConnectTo(TARGET)]
    assert client.encode(b"") == ()
    assert forwarded(server.decode(forwarded(client.encode(b"late")))) == b"late"


def test_a_server_says_nothing_by_itself() -> None:
    client, server = _client(), _server()
    assert server.encode(b"") == ()
    server.decode(forwarded(client.encode(b"x")))
    assert server.encode(b"") == ()
    assert client.decode_eof() == ()


def test_noise_is_refused_when_an_auth_is_complete() -> None:
    server = _server()
    assert list(server.decode(bytes(15))) == []
    assert list(server.decode(b"\0")) == [NOISE]


@pytest.mark.parametrize(("off", "taken"), [(-86, False), (-30, True), (30, True), (86, False)])
def test_clocks_that_differ(off: float, taken: bool) -> None:
    wire = forwarded(_client(now=NOW + off).encode(b"x"))
    effects = list(_server().decode(wire))
    assert effects == ([ConnectTo(TARGET), Forward(b"x")] if taken else [NOISE])


def test_another_id() -> None:
    wire = forwarded(_client(_maker(id=str(UUID(int=1)))).encode(b"x"))
    assert list(_server().decode(wire)) == [NOISE]


def test_a_recorded_request_is_refused_by_any_connection_of_the_server() -> None:
    make, replays = _maker(), Openings("off", "test", b"")
    wire = forwarded(_client().encode(b"x"))
    other = forwarded(_client(seed=9).encode(b"y"))
    assert forwarded(_server(make, replays=replays).decode(wire)) == b"x"
    assert list(_server(make, replays=replays).decode(wire)) == [
        Reject("the request was made by an earlier connection")
    ]
    assert list(_server(make, NOW + 120, replays).decode(wire)) == [NOISE]
    assert forwarded(_server(make, replays=replays).decode(other)) == b"y"


def test_a_changed_request_is_refused_and_not_remembered() -> None:
    make = _maker()
    wire = forwarded(_client().encode(b"x"))
    for at in range(16 + 40, 16 + 50):
        changed = bytearray(wire)
        changed[at] ^= 1
        # One that claims to be longer than it is only waits.
        assert all(isinstance(effect, Reject) for effect in _server(make).decode(changed))
    assert forwarded(_server(make).decode(wire)) == b"x"


@pytest.mark.parametrize(
    ("options", "security", "reason"),
    [
        (0x15, 3, "options 0x15 are not known"),
        (OPTIONS, 1, "security 1 is not known"),
        (OPTIONS, 0, "security 0 is not known"),
    ],
)
def test_what_we_do_not_understand(options: int, security: int, reason: str) -> None:
    _, wire = _request(options=options, security=security)
    assert list(_server().decode(wire)) == [Reject(reason)]


@pytest.mark.parametrize("options", [0, 1, 5, 13])
@pytest.mark.parametrize("security", SECURITIES.values(), ids=lambda security: security.name)
def test_options_hold_in_both_directions(options: int, security: object) -> None:
    chosen = next(one for one in SECURITIES.values() if one == security)
    request, wire = _request(options=options, security=chosen.number)
    server = _server()
    sealer = ChunkSealer(chosen, options, request.key, request.iv, random=Counting())
    effects = server.decode(wire + b"".join(sealer.seal(b"hello")))
    assert list(effects) == [ConnectTo(TARGET), Forward(b"hello")]
    answer = forwarded(server.encode(b"hello yourself"))
    opener = ChunkOpener(chosen, options, request.answer_key, request.answer_iv)
    plain: list[bytes | bytearray | memoryview] = []
    assert opener.open(memoryview(answer[4:]), plain) == len(answer) - 4
    assert b"".join(plain) == b"hello yourself"


def test_an_answer_to_another_is_refused() -> None:
    client, other, server = _client(), _client(seed=9), _server()
    client.encode(b"x")
    server.decode(forwarded(other.encode(b"x")))
    effects: list[Effect] = list(client.decode(forwarded(server.encode(b"y"))))
    assert effects == [Reject("the answer belongs to another request")]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_commands_of_a_server_are_skipped(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    client, server = _client(), _server()
    server.decode(forwarded(client.encode(b"x")))
    answer = forwarded(server.encode(b"hello"))
    monkeypatch.setattr("blinktun.presets.v2ray_vmess.open_response", lambda *_: 10)
    wire = answer[:4] + bytes(10) + answer[4:]
    assert list(client.decode(wire[:6])) == []
    assert client.decode_eof() == (Reject("ended inside a chunk or before the first"),)
    pieces = (wire[at : at + size] for at in range(6, len(wire), size))
    assert b"".join(forwarded(client.decode(piece)) for piece in pieces) == b"hello"
    assert client.decode_eof() == ()


def test_what_came_before_a_bad_chunk_is_delivered() -> None:
    client, server = _client(), _server()
    wire = forwarded(client.encode(b"hello"))
    bad = bytearray(forwarded(client.encode(b"x")))
    bad[-1] ^= 1
    assert list(server.decode(wire + bad)) == [
        ConnectTo(TARGET),
        Forward(b"hello"),
        Reject("the tag of a chunk does not fit"),
    ]


@pytest.mark.parametrize("cut", [-1, -20, 30, 10, 0])
def test_a_stream_that_was_cut(cut: int) -> None:
    wire = forwarded(_client().encode(b"hello"))
    server = _server()
    server.decode(wire[:cut])
    assert server.decode_eof() == (Reject("ended inside a chunk or before the first"),)


def test_no_datagrams() -> None:
    make = PipelineMaker([PresetSpec("v2ray-vmess", {"id": ID})])
    assert make.without_datagrams == ("v2ray-vmess",)


def test_a_connection_ends_before_its_nonces_are_used_up() -> None:
    client = _client()
    client.encode(b"x")
    full = bytes(0x3FFF * 0x100)
    for _ in range(0xFF):
        assert not any(isinstance(effect, Reject) for effect in client.encode(full))
    (effect,) = client.encode(full)
    assert isinstance(effect, Reject)
    assert "open another" in effect.reason
