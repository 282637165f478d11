"""A client and a server on loopback, as applications see them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from typing import TYPE_CHECKING

import pytest
from tests.unit.tunnel.applications import Watching, exchange, socks5
from tests.unit.waiting import PATIENCE, until

from blinktun.address import Address
from blinktun.config.model import (
    BlinksocksClient,
    Credentials,
    Inbound,
    PresetSpec,
    ServerLink,
)
from blinktun.crypto.aead import AEAD_METHODS
from blinktun.crypto.stream import STREAM_METHODS
from blinktun.errors import TransportError
from blinktun.presets.socks_address import pack
from blinktun.testing.loopback import ANY_PORT, echo, read_all, read_exactly, serving, tunnel
from blinktun.transports.tcp import TcpDialer
from blinktun.tunnel import connections
from blinktun.tunnel.blinksocks_client import BlinksocksClientRole

if TYPE_CHECKING:
    from blinktun.transports.base import Stream

BASE = PresetSpec("ss-base")
LISTS = {
    "bare": (BASE,),
    **{m: (BASE, PresetSpec("ss-stream-cipher", {"method": m})) for m in STREAM_METHODS},
    **{f"{m} ": (BASE, PresetSpec("ss-aead-cipher", {"method": m})) for m in AEAD_METHODS},
}
PAYLOAD = random.Random(1).randbytes(300_000)


@pytest.mark.parametrize("name", LISTS)
async def test_every_method(name: str) -> None:
    async with serving(echo) as target, tunnel(Inbound.SOCKS, presets=LISTS[name]) as there:
        assert await exchange(await socks5(there.entry, target), PAYLOAD) == PAYLOAD


@pytest.mark.parametrize("name", ["aes-128-ctr", "aes-256-gcm "])
async def test_much_data_on_several_connections(name: str) -> None:
    data = random.Random(2).randbytes(20_000_000)
    async with serving(echo) as target, tunnel(Inbound.SOCKS, presets=LISTS[name]) as there:
        streams = [await socks5(there.entry, target) for _ in range(3)]
        echoes = await asyncio.gather(*(exchange(stream, data) for stream in streams))
    wanted = hashlib.sha256(data).digest()
    assert [hashlib.sha256(received).digest() for received in echoes] == [wanted] * 3


async def test_an_answer_after_the_applications_end() -> None:
    async def answer(stream: Stream) -> None:
        size = len(await read_all(stream))
        await asyncio.sleep(0.02)
        await stream.send(b"%d bytes" % size)
        await stream.aclose()

    async with serving(answer) as target, tunnel(Inbound.TCP, forward=target) as there:
        stream = await TcpDialer().connect(there.entry)
        assert await exchange(stream, b"x" * 100_000) == b"100000 bytes"
        silent = await TcpDialer().connect(there.entry)
        assert await exchange(silent, b"") == b"0 bytes"


@pytest.mark.parametrize("inbound", [Inbound.SOCKS, Inbound.TCP])
async def test_a_target_that_speaks_first(inbound: Inbound) -> None:
    async def greet(stream: Stream) -> None:
        await stream.send(b"220 ready\r\n")
        await echo(stream)

    async with serving(greet) as target, tunnel(inbound, forward=target) as there:
        direct = inbound is Inbound.TCP
        stream = await (TcpDialer().connect(there.entry) if direct else socks5(there.entry, target))
        assert await read_exactly(stream, 11) == b"220 ready\r\n"
        assert await exchange(stream, b"QUIT") == b"QUIT"


async def test_everything_at_once() -> None:
    async with serving(echo) as target, tunnel(Inbound.SOCKS) as there:
        stream = await TcpDialer().connect(there.entry)
        request = b"\x05\x01\x00\x05\x01\x00" + pack(target)
        answer = await exchange(stream, request + b"early data")
        assert answer == b"\x05\x00" + b"\x05\x00\x00\x01" + bytes(6) + b"early data"


async def test_a_reset_by_the_target_reaches_the_application() -> None:
    async def reset(stream: Stream) -> None:
        await stream.receive()
        stream.abort()

    async with serving(reset) as target, tunnel(Inbound.SOCKS) as there:
        stream = await socks5(there.entry, target)
        await stream.send(b"x")
        with pytest.raises(TransportError):
            await read_all(stream)


async def test_a_reset_by_the_application_reaches_the_target() -> None:
    watching = Watching()
    async with serving(watching.serve) as target, tunnel(Inbound.SOCKS) as there:
        stream = await socks5(there.entry, target)
        await stream.send(b"x")
        await until(lambda: watching.heard)
        stream.abort()
        assert await watching.seen == "a reset"


async def test_a_target_that_refuses_looks_like_a_reset() -> None:
    async with serving(echo) as target:
        pass
    async with tunnel(Inbound.SOCKS) as there:
        stream = await socks5(there.entry, target)
        with pytest.raises(TransportError):
            await exchange(stream, b"x")


async def test_silence_ends_a_connection() -> None:
    async with serving(echo) as target, tunnel(Inbound.SOCKS, idle=0.15) as there:
        stream = await socks5(there.entry, target)
        with pytest.raises(TransportError):
            await stream.receive()


@pytest.mark.parametrize(
    ("inbound", "request_", "answer"),
    [
        (
            Inbound.SOCKS,
            b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50",
            b"\x05\x00\x05\x05\x00\x01" + bytes(6),
        ),
        (Inbound.SOCKS, b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", b"\x00\x5b" + bytes(6)),
        (Inbound.HTTP, b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 502 Bad Gateway\r\n"),
        (
            Inbound.HTTP,
            b"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
            b"HTTP/1.1 502 Bad Gateway\r\n",
        ),
    ],
)
async def test_a_server_that_is_down(inbound: Inbound, request_: bytes, answer: bytes) -> None:
    async with serving(echo) as nobody:
        pass
    link = ServerLink("tcp", nobody, "secret", (BASE,))
    role = BlinksocksClientRole(BlinksocksClient(inbound, ANY_PORT, link))
    await role.start()
    stream = await TcpDialer().connect(role.addresses[0])
    received = await exchange(stream, request_)
    assert received.startswith(answer)
    await role.stop()
    assert role.addresses == ()


async def test_a_server_that_is_down_resets_a_forwarded_port() -> None:
    async with serving(echo) as nobody:
        pass
    link = ServerLink("tcp", nobody, "secret", (BASE,))
    config = BlinksocksClient(Inbound.TCP, ANY_PORT, link, forward=Address("a", 1))
    role = BlinksocksClientRole(config)
    await role.start()
    stream = await TcpDialer().connect(role.addresses[0])
    with pytest.raises(TransportError):
        await stream.receive()
    await role.stop()


async def test_a_wrong_key_is_a_reset_for_the_application() -> None:
    async with (
        serving(echo) as target,
        tunnel(Inbound.SOCKS, client_key="wrong", hold=(0.05, 0.06)) as there,
    ):
        stream = await socks5(there.entry, target)
        with pytest.raises(TransportError):
            await exchange(stream, b"x" * 100)


async def test_a_rejected_handshake_is_answered_and_closed() -> None:
    async with tunnel(Inbound.SOCKS) as there:
        stream = await TcpDialer().connect(there.entry)
        answer = await exchange(stream, b"\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50more")
        assert answer == b"\x05\x00\x05\x07\x00\x01" + bytes(6)


async def test_an_application_that_leaves_or_never_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blinktun.tunnel.application.HANDSHAKE_TIMEOUT", 0.05)
    async with tunnel(Inbound.SOCKS) as there:
        leaving = await TcpDialer().connect(there.entry)
        await leaving.send(b"\x05")
        await leaving.send_eof()
        silent = await TcpDialer().connect(there.entry)
        for stream in (leaving, silent):
            with pytest.raises(TransportError):
                await stream.receive()


async def test_stop_lets_connections_end_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "QUIET", 1000)
    async with serving(echo) as target, tunnel(Inbound.SOCKS) as there:
        stream = await socks5(there.entry, target)
        stopping = asyncio.create_task(there.client.stop(grace=5))
        await until(lambda: there.client._connections._stopped)
        with pytest.raises(TransportError):
            await TcpDialer().connect(there.entry)
        assert await exchange(stream, b"still here") == b"still here"
        await stopping


async def test_stop_ends_cleanly_what_has_not_asked_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "QUIET", 0.01)
    async with tunnel(Inbound.AUTO) as there:
        spare = await TcpDialer().connect(there.entry)
        await until(lambda: len(there.client._connections) == 1)
        async with asyncio.timeout(PATIENCE):
            await there.client.stop(grace=1000)
        assert await spare.receive() == b""
        await spare.aclose()


async def test_stop_resets_idle_tunnels_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "QUIET", 0.01)
    async with serving(echo) as target, tunnel(Inbound.SOCKS) as there:
        stream = await socks5(there.entry, target)
        async with asyncio.timeout(PATIENCE):
            await there.client.stop(grace=1000)
        with pytest.raises(TransportError, match="reset"):
            await stream.receive()


async def test_a_request_is_answered_before_the_client_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "QUIET", 0.01)
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(stream: Stream) -> None:
        await read_until(stream, b"\r\n\r\n")
        asked.set()
        await answer.wait()
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
        await stream.receive()

    async with serving(slow) as target, tunnel(Inbound.HTTP) as there:
        app = await TcpDialer().connect(there.entry)
        await app.send(f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        await asked.wait()
        stopping = asyncio.create_task(there.client.stop(grace=1000))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await asyncio.shield(stopping)
        answer.set()
        assert (await read_all(app)).endswith(b"done")  # and then a clean end
        async with asyncio.timeout(PATIENCE):
            await stopping
        await app.aclose()


async def read_until(stream: Stream, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        data += await stream.receive()
    return data


async def test_stop_resets_what_is_left() -> None:
    async with serving(echo) as target, tunnel(Inbound.SOCKS) as there:
        stream = await socks5(there.entry, target)
        await there.client.stop()
        with pytest.raises(TransportError):
            await stream.receive()


async def test_the_log_tells_and_keeps_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(echo) as target, tunnel(Inbound.SOCKS) as there:
        assert f"blinksocks client is running at socks5://{there.entry}" in caplog.text
        server = there.server.addresses[0]
        assert f"blinksocks server is running at tcp://{server}" in caplog.text
        await exchange(await socks5(there.entry, target), b"private payload")
        ended = f"-> {target}: 15 bytes up, 15 bytes down"
        await until(lambda: caplog.text.count(ended) == 2)
    lines = [
        record.getMessage() for record in caplog.records if record.name == "blinktun.blinksocks"
    ]
    ends = [line for line in lines if ended in line]
    assert len(ends) == 2
    assert all(line.endswith(", closed") for line in ends)
    assert "secret" not in caplog.text
    assert "private" not in caplog.text


@pytest.mark.parametrize("inbound", [Inbound.SOCKS, Inbound.AUTO])
async def test_a_password_guards_every_protocol_of_a_port(inbound: Inbound) -> None:
    requests = {
        "SOCKS4": b"\x04\x01\x00\x50\x7f\x00\x00\x01user\x00",
        "SOCKS4a": b"\x04\x01\x00\x50\x00\x00\x00\x01user\x00localhost\x00",
        "SOCKS5": b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50",
        "HTTP": b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    }
    refusals = (b"\x00\x5b", b"\x05\xff", b"HTTP/1.1 407 ", b"")
    async with tunnel(inbound, credentials=Credentials("user", "pass")) as there:
        for request in requests.values():
            app = await TcpDialer().connect(there.entry)
            await app.send(request)
            answer = bytes(await app.receive())
            assert answer.startswith(refusals)
            assert answer or inbound is not Inbound.AUTO
            app.abort()
