"""What somebody without the key learns from a server: nothing, whatever the presets.

Every preset takes part, also one that is added later.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.transports.ends import certificate
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.config.acl import parse_rules
from blinktun.config.model import BlinksocksServer, PresetSpec, ServerLink
from blinktun.effects import ConnectTo, Reply
from blinktun.errors import TransportError
from blinktun.net import half_open
from blinktun.net.udp import UdpSocket
from blinktun.presets.base import AddressingPreset, PresetContext, Role
from blinktun.presets.registry import PRESETS, PipelineMaker
from blinktun.state.openings import Openings
from blinktun.testing.loopback import ANY_PORT, answering, echo, read_all, serving
from blinktun.testing.pair import PipelinePair, forwarded
from blinktun.transports import ws
from blinktun.transports.tcp import TcpDialer
from blinktun.transports.tls import TlsStream
from blinktun.transports.tls_context import client_context
from blinktun.tunnel.blinksocks_server import BlinksocksServerRole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from blinktun.effects import Chunk
    from blinktun.transports.base import Stream

HOLD = 0.4
BASE, AEAD = PresetSpec("ss-base"), PresetSpec("ss-aead-cipher")
PARAMS: dict[str, dict[str, Any]] = {
    "aead-random-cipher": {"method": "aes-128-gcm"},
    "obfs-http": {"file": str(Path(__file__).parents[3] / "benchmarks/obfs-http.txt")},
    "obfs-tls1.2-ticket": {"sni": "example.com"},
    "v2ray-vmess": {"id": "c2485913-4e9e-41eb-8cc5-b2e7db8d3bc7"},
    "auto-conf": {"suites": str(Path(__file__).with_name("suites.json"))},
    "base-with-padding": {"salt": "salt"},
    "exp-base-with-padding": {"salt": "salt"},
    "base-auth-stream": {"method": "aes-128-cfb"},
    "exp-base-auth-stream": {"method": "aes-128-cfb"},
}
"""What the presets that cannot do without need."""


def _lists() -> Iterator[tuple[str, tuple[PresetSpec, ...]]]:
    for name, kind in PRESETS.items():
        spec = PresetSpec(name, PARAMS.get(name, {}))
        behind = (PresetSpec(kind.needs_behind),) if kind.needs_behind else ()
        before = () if issubclass(kind, AddressingPreset) else (BASE,)
        yield name, (*before, spec, *behind)
    yield "padded", (BASE, PresetSpec("obfs-random-padding"), AEAD)


LISTS = dict(_lists())
each_list = pytest.mark.parametrize("name", LISTS)
LENGTHS = (1, 2, 7, 16, 17, 31, 33, 49, 50, 51, 120, 517, 1400, 5000)


@dataclass(frozen=True)
class Probe:
    """Bytes of somebody who must not be told from anybody.

    Attributes:
        data: All of them.
        reply: What the presets themselves say to them, as part of their disguise.
    """

    data: bytes
    reply: bytes


def _probes(presets: Sequence[PresetSpec], target: Address, recorded: bytes) -> Iterator[Probe]:
    """Noise, handshakes cut short, and a recording; without those that are a valid connection."""
    noise = random.Random(5)
    honest = _handshake(presets, target)
    cuts = sorted({1, 2, 15, 16, 31, 32, len(honest) // 2, len(honest) - 1})
    wires = [noise.randbytes(length) for length in LENGTHS]
    wires += [b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", b"\x16\x03\x01\x00\x01\x00" * 20]
    wires += [honest[:cut] for cut in cuts if 0 < cut < len(honest)]
    for wire in wires:
        effects = PipelineMaker(presets)(PresetContext(Role.SERVER, "secret")).decode(wire)
        if not any(isinstance(effect, ConnectTo) for effect in effects):
            replies = b"".join(effect.data for effect in effects if isinstance(effect, Reply))
            yield Probe(wire, replies)
    if _is_refused_twice(presets, recorded):
        yield Probe(recorded, b"")


def _handshake(presets: Sequence[PresetSpec], target: Address) -> bytes:
    client = PipelineMaker(presets)(PresetContext(Role.CLIENT, "secret"))
    client.set_target(target)
    return forwarded(client.encode(b"hello"))


def _is_refused_twice(presets: Sequence[PresetSpec], wire: bytes) -> bool:
    """Whether these presets notice that a connection is sent again."""
    make = PipelineMaker(presets)
    context = PresetContext(Role.SERVER, "secret", replays=Openings("off", "test", b""))
    seen = [make(context).decode(wire) for _ in range(2)]
    first, second = (any(isinstance(e, ConnectTo) for e in effects) for effects in seen)
    return first and not second


@asynccontextmanager
async def _server(
    presets: Sequence[PresetSpec], *, mux: bool = False, **settings: Any
) -> AsyncIterator[Address]:
    max_unauthenticated, hold = (
        settings.pop("max_unauthenticated", 1000),
        settings.pop("hold", HOLD),
    )
    scheme = settings.pop("transport", "tcp")
    link = ServerLink(scheme, ANY_PORT, "secret", tuple(presets), path="/p", mux=mux)
    link = replace(link, tls=certificate())
    config = BlinksocksServer(link, 30.0, **settings)
    role = BlinksocksServerRole(config, hold=(hold, hold), max_unauthenticated=max_unauthenticated)
    await role.start()
    try:
        yield role.addresses[0]
    finally:
        await role.stop()


async def _service(stream: Stream) -> None:
    """A service that looks at every byte, answers each at once, and says farewell."""
    number = count()
    while data := await stream.receive():
        await stream.send(bytes((byte + next(number)) & 255 for byte in bytes(data)))
    await stream.send(b"farewell")
    await stream.send_eof()
    await stream.aclose()


async def _answer(address: Address, data: bytes, transport: str = "tcp") -> bytes:
    """What a service says to these bytes and their end."""
    stream = await _knock(address, transport)
    try:
        await stream.send(data)
        await stream.send_eof()
        return await read_all(stream)
    finally:
        stream.abort()


async def _record(server: Address, wire: bytes) -> None:
    """A connection that the server takes."""
    stream = await TcpDialer().connect(server)
    await stream.send(wire)
    await stream.send_eof()
    with suppress(TransportError):  # the target's end, if presets let the target be reached
        await read_all(stream)
    stream.abort()


async def _endures(server: Address, probe: Probe, *, ends: bool) -> float:
    """How long a probe is kept; it must hear nothing meanwhile, and a reset at last."""
    loop = asyncio.get_running_loop()
    stream = await TcpDialer().connect(server)
    started = loop.time()
    heard = b""
    try:
        await stream.send(probe.data)
        if ends:
            await stream.send_eof()
        while data := await stream.receive():
            heard += data
        raise AssertionError("a clean end")
    except TransportError:
        assert heard == probe.reply
        return loop.time() - started
    finally:
        stream.abort()


@each_list
async def test_silence(name: str, caplog: pytest.LogCaptureFixture) -> None:
    presets = LISTS[name]
    async with serving(echo) as target, _server(presets) as server:
        recorded = _handshake(presets, target)
        await _record(server, recorded)
        probes = list(_probes(presets, target, recorded))
        assert len(probes) >= 8
        times = await asyncio.gather(
            *(_endures(server, probe, ends=ends) for probe in probes for ends in (False, True))
        )
    assert min(times) >= HOLD - 0.05
    assert max(times) < HOLD + 10
    assert not [line for line in caplog.records if line.levelno >= logging.ERROR]


@each_list
async def test_another_service(name: str, caplog: pytest.LogCaptureFixture) -> None:
    presets = LISTS[name]
    async with (
        serving(echo) as target,
        serving(_service) as elsewhere,
        _server(presets, redirect=elsewhere) as server,
    ):
        recorded = _handshake(presets, target)
        await _record(server, recorded)
        for probe in _probes(presets, target, recorded):
            expected = probe.reply + await _answer(elsewhere, probe.data)
            assert await _answer(server, probe.data) == expected, probe
    assert not [line for line in caplog.records if line.levelno >= logging.ERROR]


@each_list
async def test_a_conversation_with_another_service(name: str) -> None:
    """The direction stays open, and what comes later is passed on as well."""
    presets = LISTS[name]
    noise = next(p for p in _probes(presets, ANY_PORT, b"") if len(p.data) >= 49 and not p.reply)
    async with serving(_service) as elsewhere, _server(presets, redirect=elsewhere) as server:
        real, ours = [await TcpDialer().connect(at) for at in (elsewhere, server)]
        answers: list[Chunk] = []
        for stream in (real, ours):
            await stream.send(noise.data[:20])
            await asyncio.sleep(0.02)
            await stream.send(noise.data[20:])
            answers.append(await _receive(stream, len(noise.data)))
            await stream.send(b"and more")
            answers.append(await _receive(stream, 8))
            await stream.send_eof()
            answers.append(await read_all(stream))
            await stream.aclose()
        assert answers[:3] == answers[3:]
        assert answers[2] == b"farewell"


WORDS = [
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /p HTTP/1.1\r\nHost: h\r\n\r\nand more",
    b"GET /p",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00",
    bytes(100_000),
    b"",
]


@pytest.mark.parametrize("transport", ["ws", "wss", "h2"])
async def test_another_service_behind_a_handshake(
    transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serving(_service) as elsewhere,
        _server((BASE, AEAD), transport=transport, redirect=elsewhere) as server,
    ):
        for words in WORDS:
            assert await _answer(server, words, transport) == await _answer(elsewhere, words)
    assert not [line for line in caplog.records if line.levelno >= logging.ERROR]


@pytest.mark.parametrize("transport", ["tcp", "ws", "wss"])
async def test_what_another_service_ends_has_ended(transport: str) -> None:
    """Altogether, though the prober has not ended; not only inside of TLS."""

    async def page(stream: Stream) -> None:
        await stream.receive()
        await stream.send(b"200")
        await stream.aclose()

    async with (
        serving(page) as elsewhere,
        _server((BASE, AEAD), transport=transport, redirect=elsewhere) as server,
    ):
        stream = await _knock(server, transport)
        await stream.send(bytes(100))
        assert await stream.receive() == b"200"
        wire = stream._wire if isinstance(stream, TlsStream) else stream
        async with asyncio.timeout(5):
            assert await read_all(stream) == b""
            assert await wire.receive() == b""
            with pytest.raises(TransportError):
                await _send_for_ever(wire)


async def _send_for_ever(stream: Stream) -> None:
    while True:
        await stream.send(b"?")
        await asyncio.sleep(0.01)


async def _trickle(stream: Stream, wire: bytes) -> Chunk:
    for byte in wire:
        await stream.send(bytes((byte,)))
        await asyncio.sleep(0.01)
    return await stream.receive()


async def _knock(server: Address, transport: str) -> Stream:
    """A connection to a server, inside of TLS if it has any."""
    wire = await TcpDialer().connect(server)
    if transport not in {"tls", "wss", "h2"}:
        return wire
    stream = TlsStream(wire, client_context(certificate()), server_name="localhost")
    await stream.handshake()
    return stream


async def _receive(stream: Stream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await stream.receive()
    return data


@pytest.mark.parametrize("presets", [(BASE, AEAD), (PresetSpec("base-auth"),)], ids=str)
async def test_shared_connections(presets: tuple[PresetSpec, ...]) -> None:
    probes = [Probe(random.Random(n).randbytes(n) or b"?", b"") for n in (1, 60, 600)]
    probes = [Probe(b"\x77" + probe.data, b"") for probe in probes]
    async with _server(presets, mux=True) as server:
        times = await asyncio.gather(
            *(_endures(server, probe, ends=ends) for probe in probes for ends in (False, True))
        )
    assert min(times) >= HOLD - 0.05
    async with (
        serving(_service) as elsewhere,
        _server(presets, mux=True, redirect=elsewhere) as server,
    ):
        for probe in probes:
            assert await _answer(server, probe.data) == await _answer(elsewhere, probe.data)


async def test_who_comes_slowly_is_closed_like_all_others() -> None:
    async with _server((BASE, AEAD)) as server:
        wire = _handshake((BASE, AEAD), ANY_PORT)
        stream = await TcpDialer().connect(server)
        started = asyncio.get_running_loop().time()
        with pytest.raises(TransportError):
            await _trickle(stream, wire[:30])
        assert HOLD - 0.05 <= asyncio.get_running_loop().time() - started < HOLD + 10
        stream.abort()


async def test_slow_unauthenticated_peers_keep_nobody_out() -> None:
    presets = (BASE, AEAD)
    async with serving(echo) as target, _server(presets, max_unauthenticated=20) as server:
        slow = [await TcpDialer().connect(server) for _ in range(60)]
        honest = await TcpDialer().connect(server)
        pair = PipelinePair(presets, target)
        await honest.send(forwarded(pair.client.encode(b"hello")))
        assert forwarded(pair.client.decode(await honest.receive())) == b"hello"
        for stream in slow[:40]:
            with pytest.raises(TransportError):
                await stream.receive()
        for stream in (*slow, honest):
            stream.abort()


async def test_rules() -> None:
    presets = (BASE, AEAD)
    async with serving(echo) as target, _server(presets, acl=()) as server:
        assert await _is_served(server, presets, target)
    for text in ("*:* 1", "127.0.0.0/8 1", f"{target} 1", f"*:{target.port} 1"):
        rules, _ = parse_rules(text)
        async with serving(echo) as target2, _server(presets, acl=rules) as server:
            assert await _is_served(server, presets, target2) is (str(target.port) in text)
            assert not await _is_served(server, presets, target)


async def test_who_fails_twice_is_out() -> None:
    presets = (BASE, AEAD)
    async with serving(echo) as target, _server(presets, acl=(), hold=1.5) as server:
        assert await _endures(server, Probe(bytes(100), b""), ends=False) >= 1.45
        assert await _is_served(server, presets, target)
        assert await _endures(server, Probe(bytes(99), b""), ends=False) < 1.45
        assert not await _is_served(server, presets, target)


async def test_who_only_leaves_early_does_not_fail() -> None:
    presets = (BASE, AEAD)
    async with serving(echo) as target, _server(presets, acl=()) as server:
        await asyncio.gather(*(_endures(server, Probe(b"x", b""), ends=True) for _ in range(3)))
        assert await _is_served(server, presets, target)


async def _is_served(server: Address, presets: Sequence[PresetSpec], target: Address) -> bool:
    pair = PipelineMaker(presets)(PresetContext(Role.CLIENT, "secret"))
    pair.set_target(target)
    stream = await TcpDialer().connect(server)
    try:
        await stream.send(forwarded(pair.encode(b"hello")))
        return forwarded(pair.decode(await stream.receive())) == b"hello"
    except TransportError:
        return False
    finally:
        stream.abort()


async def test_datagrams_of_unauthenticated_peers() -> None:
    presets = (BASE, AEAD)
    got: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()
    async with (
        answering(bytes.upper) as target,
        answering(lambda data: b"real " + data) as elsewhere,
        _server(presets, redirect=elsewhere) as server,
    ):
        ours = UdpSocket.unbound("127.0.0.1", lambda *what: got.put_nowait(what))
        for data in (b"who is there", bytes(1200)):
            ours.send(data, server)
            async with asyncio.timeout(5):
                assert await got.get() == (b"real " + data, server)
        client = PipelineMaker(presets)(PresetContext(Role.CLIENT, "secret"))
        ours.send(client.encode_datagram(b"hello", target), server)
        async with asyncio.timeout(5):
            answer, _ = await got.get()
        assert client.decode_datagram(answer) == (target, b"HELLO")
        ours.send(b"noise", server)  # it may have come to harm on its way: nobody answers
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await got.get()
        ours.close()


@pytest.mark.parametrize("rules", ["*:* 1", "127.0.0.1 1"])
async def test_datagrams_that_are_banned(rules: str) -> None:
    presets = (BASE, AEAD)
    got: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()
    async with (
        answering(bytes.upper) as target,
        _server(presets, acl=parse_rules(rules)[0]) as server,
    ):
        ours = UdpSocket.unbound("127.0.0.1", lambda *what: got.put_nowait(what))
        client = PipelineMaker(presets)(PresetContext(Role.CLIENT, "secret"))
        ours.send(client.encode_datagram(b"hello", target), server)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await got.get()
        ours.close()


def test_replays_are_noticed_where_the_format_allows() -> None:
    noticed = {
        name
        for name, presets in LISTS.items()
        if _is_refused_twice(presets, _handshake(presets, Address("a.example", 1)))
    }
    assert noticed >= {"ss-stream-cipher", "ss-aead-cipher", "aead-random-cipher", "padded"}


def _wires(presets: Sequence[PresetSpec], lengths: Sequence[int]) -> Iterator[bytes]:
    """What probers send: noise, the start of a request, and the start of an honest connection."""
    noise = random.Random(7)
    request = b"GET /" + b"a" * 400
    for length in lengths:
        honest = _handshake(presets, Address("a" * 240 + ".example", 80))
        yield noise.randbytes(length)
        yield request[:length]
        if length < len(honest):
            yield honest[:length]


LONG = tuple(range(1, 301))
FEW = (1, 2, 15, 16, 17, 33, 34, 49, 50, 51, 66, 120, 121, 300)


@pytest.mark.parametrize(
    ("name", "transport", "lengths"),
    [
        ("ss-aead-cipher", "tcp", LONG),
        *((name, "tcp", FEW) for name in LISTS if name != "ss-aead-cipher"),
        *(("ss-aead-cipher", transport, FEW) for transport in ("tls", "ws")),
    ],
)
async def test_every_length_is_answered_by_the_other_service(
    name: str, transport: str, lengths: Sequence[int]
) -> None:
    """A prober that sends a few bytes and waits hears what the other service says to them."""
    presets = LISTS[name]
    async with (
        serving(_service) as elsewhere,
        _server(presets, redirect=elsewhere, transport=transport, hold=60) as server,
    ):
        wires = [wire for wire in _wires(presets, lengths) if _is_undecided_or_wrong(presets, wire)]
        assert len(wires) > len(lengths)
        for at in range(0, len(wires), 100):
            await asyncio.gather(*(_answered(server, w, transport) for w in wires[at : at + 100]))


def _is_undecided_or_wrong(presets: Sequence[PresetSpec], wire: bytes) -> bool:
    """Neither a target by chance, nor a greeting that presets answer themselves."""
    effects = PipelineMaker(presets)(PresetContext(Role.SERVER, "secret")).decode(wire)
    return not any(isinstance(effect, ConnectTo | Reply) for effect in effects)


async def _answered(server: Address, wire: bytes, transport: str) -> None:
    stream = await _knock(server, transport)
    if transport == "ws":
        stream = await ws.connect(stream, host="h", path="/p")
    expected = bytes((byte + number) & 255 for number, byte in enumerate(wire))
    try:
        await stream.send(wire)
        async with asyncio.timeout(20):
            assert await _receive(stream, len(wire)) == expected, wire
    finally:
        stream.abort()


@each_list
async def test_a_client_whose_first_bytes_pause_is_served(name: str) -> None:
    """The other service has heard the beginning by then; it is left without a word."""
    presets = LISTS[name]
    left: asyncio.Queue[str] = asyncio.Queue()
    heard = bytearray()

    async def silent(stream: Stream) -> None:
        try:
            while data := await stream.receive():
                heard.extend(data)
            left.put_nowait("ended")
        except TransportError:
            left.put_nowait("broken off")

    async with (
        serving(echo) as target,
        serving(silent) as elsewhere,
        _server(presets, redirect=elsewhere, hold=60) as server,
    ):
        pair = PipelineMaker(presets)(PresetContext(Role.CLIENT, "secret"))
        pair.set_target(target)
        wire = forwarded(pair.encode(b"hello"))
        if pair.holds_back:
            return  # its presets say something themselves first: a pause means nothing there
        stream = await TcpDialer().connect(server)
        await stream.send(wire[:5])
        await until(lambda: len(heard) == 5)
        await stream.send(wire[5:])
        answer = b""
        async with asyncio.timeout(20):
            while answer != b"hello":
                answer += forwarded(pair.decode(await stream.receive()))
            assert await left.get() == "broken off"
        stream.abort()


@pytest.mark.parametrize("words", [b"", b"x", bytes(17)])
async def test_one_source_cannot_hold_many_connections_half_open(
    words: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(half_open, "_GRACE", 0.2)
    async with _server((BASE, AEAD), hold=60) as server:
        streams = [await TcpDialer().connect(server) for _ in range(half_open.PER_SOURCE + 50)]
        ends = [asyncio.ensure_future(_end(stream, words)) for stream in streams]
        await until(lambda: sum(end.done() for end in ends) == 50)
        assert all(end.done() for end in ends[:50])
        for stream in streams:
            stream.abort()
        await asyncio.gather(*ends)


async def _end(stream: Stream, words: bytes) -> None:
    with suppress(TransportError):
        await stream.send(words)
        await stream.receive()


async def test_failures_without_the_key_are_counted_and_not_written_one_by_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with _server((BASE, AEAD), hold=0.05) as server:
        await asyncio.gather(
            *(_endures(server, Probe(bytes(100 + n), b""), ends=False) for n in range(50))
        )
        lines = [record for record in caplog.records if "wrong key" in record.getMessage()]
        assert [line.levelname for line in lines] == ["WARNING"]
        assert lines[0].getMessage().startswith("wrong key, preset or method from 127.0.0.1 (")
        assert len(caplog.records) < 10
    assert "49 more connections from 127.0.0.1 failed authentication" in caplog.text
