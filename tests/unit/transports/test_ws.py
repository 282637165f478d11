from __future__ import annotations

import asyncio

import pytest
from tests.unit.transports.ends import BIG, Accepted, connected, link_over, listening
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.net.resolve import Resolver
from blinktun.testing.duplex import DuplexStream
from blinktun.testing.loopback import read_all, read_exactly
from blinktun.transports import ws
from blinktun.transports.registry import find_transport
from blinktun.transports.tcp import TcpDialer
from blinktun.transports.upgrade import BAD_REQUEST
from blinktun.transports.ws import WebSocketStream
from blinktun.transports.ws_frames import Opcode, pack_close, pack_frame


def pair() -> tuple[WebSocketStream, WebSocketStream]:
    near, far = DuplexStream.pair()
    return WebSocketStream(near, is_client=True), WebSocketStream(far, is_client=False)


def server() -> tuple[DuplexStream, WebSocketStream]:
    """A bare wire, and our server at its other end."""
    wire, far = DuplexStream.pair()
    return wire, WebSocketStream(far, is_client=False)


async def test_paths_must_be_equal() -> None:
    async with connected("ws", path="/a/path") as (near, far):
        await near.send(b"?")
        assert await read_exactly(far, 1) == b"?"
    async with listening(link_over("ws", path="/a/path")) as (listener, accepted):
        asking = ws.dialer(link_over("ws", path="/another"), Resolver())
        with pytest.raises(TransportError, match="answered 400"):
            await asking.connect(listener.addresses[0])
        assert not accepted.waiting


PAGES = [
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"HEAD / HTTP/1.0\r\n",
    b"GET /Another",
    b"\x16\x03\x01",
]


@pytest.mark.parametrize("words", PAGES)
async def test_who_asks_for_something_else_hears_no(words: bytes) -> None:
    async with listening(link_over("ws", path="/a")) as (listener, accepted):
        browser = await TcpDialer().connect(listener.addresses[0])
        await browser.send(words)
        assert await read_all(browser) == BAD_REQUEST
        browser.abort()
        assert not accepted.waiting


@pytest.mark.parametrize("transport", ["ws", "wss"])
@pytest.mark.parametrize("words", [*PAGES, b"GET / HT"])
async def test_or_is_left_to_somebody_else(transport: str, words: bytes) -> None:
    refused = Accepted()
    async with listening(link_over(transport), refused) as (listener, accepted):
        address = Address("localhost", listener.addresses[0].port)
        dialer = find_transport(link_over("tls" if transport == "wss" else "tcp")).dialer
        browser = await dialer(link_over("tls"), Resolver()).connect(address)
        await browser.send(words)
        await browser.send_eof()
        prober = await refused.next()
        assert await read_all(prober) == words
        await asyncio.gather(prober.aclose(), browser.aclose())
        assert not accepted.waiting


async def test_a_server_that_ends_during_the_handshake() -> None:
    async with listening(link_over("tcp")) as (listener, accepted):
        dialer = ws.dialer(link_over("ws"), Resolver())
        dialling = asyncio.create_task(dialer.connect(listener.addresses[0]))
        await (await accepted.next()).aclose()
        with pytest.raises(TransportError):
            await dialling


async def test_frames_that_came_with_the_handshake() -> None:
    async with listening(link_over("ws")) as (listener, accepted):
        wire = await TcpDialer().connect(listener.addresses[0])
        await wire.send(
            b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            + pack_frame(Opcode.BINARY, b"early")
        )
        stream = await accepted.next()
        assert await stream.receive() == b"early"
        stream.abort()
        wire.abort()


async def test_only_clients_mask() -> None:
    for is_client in (True, False):
        wire, other = DuplexStream.pair()
        await WebSocketStream(other, is_client=is_client).send(b"data")
        assert (bytes(await wire.receive())[1] >= 0x80) is is_client


async def test_pings_are_answered() -> None:
    wire, stream = server()
    await wire.send(pack_frame(Opcode.PING, b"1") + pack_frame(Opcode.PING, b"2"))
    await wire.send(pack_frame(Opcode.BINARY, b"data"))
    assert await stream.receive() == b"data"
    assert await wire.receive() == pack_frame(Opcode.PONG, b"2")


async def test_a_ping_during_a_send_is_answered_behind_it() -> None:
    wire, stream = server()
    sending = asyncio.create_task(stream.send(BIG))  # nobody reads
    await until(stream._writing.locked)
    await wire.send(pack_frame(Opcode.PING, b"?") + pack_frame(Opcode.BINARY, b"data"))
    assert await stream.receive() == b"data"
    assert len(await wire.receive()) > len(BIG)
    assert await wire.receive() == pack_frame(Opcode.PONG, b"?")
    await sending


async def test_a_client_keeps_its_end_back_until_the_server_closes() -> None:
    near, far = pair()
    await near.send(b"question")
    await near.send_eof()
    await near.send_eof()
    assert await read_all(far) == b"question"  # our server takes the hint
    await far.send(b"answer")
    await far.aclose()
    assert await read_all(near) == b"answer"
    await near.aclose()


async def test_other_servers_do_not_see_that_end() -> None:
    wire, other = DuplexStream.pair()
    near = WebSocketStream(other, is_client=True)
    await near.send_eof()
    assert bytes(await wire.receive())[0] == 0x80 | Opcode.PONG
    await wire.send(pack_frame(Opcode.BINARY, b"answer") + pack_close())
    assert await near.receive() == b"answer"
    assert await near.receive() == b""


async def test_a_server_without_hints_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws, "_ANSWER_WAIT", 0.05)
    wire, far = DuplexStream.pair()
    near = WebSocketStream(far, is_client=True)
    receiving = asyncio.ensure_future(near.receive())
    await asyncio.sleep(0.1)
    assert not receiving.done()
    await near.send_eof()
    with pytest.raises(TransportError, match="no answer within"):
        await asyncio.wait_for(receiving, 10)
    with pytest.raises(TransportError):
        await read_all(wire)


async def test_our_server_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws, "_ANSWER_WAIT", 0.3)
    near, far = pair()
    await near.send_eof()
    receiving = asyncio.ensure_future(near.receive())
    assert await far.receive() == b""
    await asyncio.sleep(1)
    await far.send(b"answer")
    assert await receiving == b"answer"


async def test_a_client_takes_no_hints() -> None:
    wire, other = DuplexStream.pair()
    near = WebSocketStream(other, is_client=True)
    await wire.send(pack_frame(Opcode.PONG, b"end") + pack_frame(Opcode.BINARY, b"more"))
    assert await near.receive() == b"more"


async def test_nothing_can_be_sent_behind_the_peers_close() -> None:
    wire, stream = server()
    await wire.send(pack_close())
    assert await stream.receive() == b""
    with pytest.raises(TransportError, match="closed"):
        await stream.send(b"x")
    await stream.send_eof()  # there is nothing left to end
    await stream.aclose()
    assert await wire.receive() == pack_close()
    assert await wire.receive() == b""


@pytest.mark.parametrize(
    ("frames", "problem"),
    [
        (pack_close(1011), "code 1011"),
        (b"\x83\x00", "broke the WebSocket"),
        (b"", "cut off"),
    ],
)
async def test_ends_that_are_not_clean(frames: bytes, problem: str) -> None:
    wire, stream = server()
    await wire.send(frames)
    await wire.send_eof()
    with pytest.raises(TransportError, match=problem):
        await stream.receive()


@pytest.mark.parametrize("code", [None, 1000, 1001])
async def test_ends_that_are(code: int | None) -> None:
    wire, stream = server()
    await wire.send(pack_frame(Opcode.BINARY, b"last") + pack_close(code))
    assert await read_all(stream) == b"last"


async def test_host_and_port_are_those_of_the_url() -> None:
    wire, other = DuplexStream.pair()
    connecting = asyncio.create_task(ws.connect(other, host=str(Address("::1", 80)), path="/p"))
    request = bytes(await wire.receive())
    assert request.startswith(b"GET /p HTTP/1.1\r\n")
    assert b"\r\nHost: [::1]:80\r\n" in request
    wire.abort()
    with pytest.raises(TransportError):
        await connecting
