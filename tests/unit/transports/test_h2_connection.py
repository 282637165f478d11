from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import h2.config
import h2.connection
import h2.events
import pytest
from tests.unit.transports.ends import BIG, Accepted

from blinktun.errors import TransportError
from blinktun.testing.duplex import DuplexStream
from blinktun.testing.loopback import read_all
from blinktun.transports import h2_connection
from blinktun.transports.h2_connection import H2Connection
from blinktun.transports.h2_stream import H2Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_E = TypeVar("_E", bound=h2.events.Event)

REQUEST = [(":method", "POST"), (":path", "/"), (":scheme", "https"), (":authority", "h")]


class Peer:
    """The library at the other end of the wire, without anything of ours."""

    def __init__(self, wire: DuplexStream, *, is_client: bool) -> None:
        self.wire = wire
        config = h2.config.H2Configuration(client_side=is_client)
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self._events: list[h2.events.Event] = []

    async def flush(self) -> None:
        if data := self.h2.data_to_send():
            await self.wire.send(data)

    async def until(self, kind: type[_E]) -> _E:
        """The next event of this kind; those before it are dropped."""
        async with asyncio.timeout(5):
            while True:
                while self._events:
                    if isinstance(event := self._events.pop(0), kind):
                        return event
                await self.flush()
                self._events += self.h2.receive_data(bytes(await self.wire.receive()))


@asynccontextmanager
async def server() -> AsyncIterator[tuple[Peer, Accepted, DuplexStream]]:
    """A client of the library's, the streams that it opens, and our end of the wire."""
    near, far = DuplexStream.pair(1 << 20)
    accepted = Accepted()
    running = asyncio.create_task(H2Connection(far, accepted).run())
    try:
        yield Peer(near, is_client=True), accepted, far
    finally:
        far.abort()
        await asyncio.wait_for(running, 5)


@asynccontextmanager
async def client() -> AsyncIterator[tuple[Peer, H2Connection]]:
    near, far = DuplexStream.pair(1 << 20)
    connection = H2Connection(near)
    running = asyncio.create_task(connection.run())
    try:
        yield Peer(far, is_client=False), connection
    finally:
        near.abort()
        await asyncio.wait_for(running, 5)


async def test_the_request_is_upstreams() -> None:
    async with client() as (peer, connection):
        stream = connection.open("/p", "host:443")
        request = await peer.until(h2.events.RequestReceived)
        assert request.headers == [
            (b":method", b"POST"),
            (b":path", b"/p"),
            (b":scheme", b"https"),
            (b":authority", b"host:443"),
        ]
        await stream.send(b"sent before any answer")
        assert (await peer.until(h2.events.DataReceived)).data == b"sent before any answer"
        await stream.send_eof()
        await peer.until(h2.events.StreamEnded)


async def test_headers_come_with_the_first_data() -> None:
    async with server() as (peer, accepted, _far):
        peer.h2.send_headers(1, REQUEST)
        peer.h2.send_data(1, b"?")
        peer.h2.ping(b"12345678")
        await peer.flush()
        stream = await accepted.next()
        assert await stream.receive() == b"?"
        assert not isinstance(
            await peer.until(h2.events.PingAckReceived), h2.events.ResponseReceived
        )
        await stream.send(b"!")
        response = await peer.until(h2.events.ResponseReceived)
        assert [name for name, _ in response.headers] == [b":status", b"date"]
        assert (b":status", b"200") in response.headers
        assert (await peer.until(h2.events.DataReceived)).data == b"!"


async def test_an_end_without_data_has_headers_too() -> None:
    async with server() as (peer, accepted, _far):
        peer.h2.send_headers(1, REQUEST, end_stream=True)
        await peer.flush()
        stream = await accepted.next()
        assert await stream.receive() == b""
        await stream.aclose()
        await peer.until(h2.events.ResponseReceived)
        await peer.until(h2.events.StreamEnded)
        await peer.until(h2.events.ConnectionTerminated)
        assert await peer.wire.receive() == b""


async def test_a_reset_without_an_error_is_an_end() -> None:
    async with client() as (peer, connection):
        stream = connection.open("/", "h")
        await peer.until(h2.events.RequestReceived)
        peer.h2.send_headers(1, [(":status", "200")])
        peer.h2.send_data(1, b"last words")
        peer.h2.reset_stream(1, 0)
        await peer.flush()
        assert await read_all(stream) == b"last words"
        with pytest.raises(TransportError, match="closed"):
            await stream.send(b"x")
        await stream.send_eof()
        await stream.aclose()
        await peer.until(h2.events.ConnectionTerminated)


async def test_a_reset_with_an_error_is_none() -> None:
    async with client() as (peer, connection):
        stream = connection.open("/", "h")
        await peer.until(h2.events.RequestReceived)
        peer.h2.reset_stream(1, 8)
        await peer.flush()
        with pytest.raises(TransportError, match="reset with code 8"):
            await stream.receive()


async def test_an_answer_that_is_no_success() -> None:
    async with client() as (peer, connection):
        stream = connection.open("/", "h")
        await peer.until(h2.events.RequestReceived)
        peer.h2.send_headers(1, [(":status", "404")])
        peer.h2.send_data(1, b"<html>")
        await peer.flush()
        with pytest.raises(TransportError, match="answered 404"):
            await read_all(stream)


async def test_streams_of_one_connection_end_each_for_itself() -> None:
    async with server() as (peer, accepted, _far):
        for number in (1, 3, 5):
            peer.h2.send_headers(number, REQUEST)
        await peer.flush()
        one, two, three = [await accepted.next() for _ in range(3)]
        one.abort()
        assert (await peer.until(h2.events.StreamReset)).error_code == 8
        await two.aclose()
        assert (await peer.until(h2.events.StreamReset)).error_code == 0
        await three.send(b"still here")
        assert (await peer.until(h2.events.DataReceived)).data == b"still here"
        # To a stream that is gone: it does no harm.
        await peer.wire.send(b"\0\0\4\0\0\0\0\0\1late")
        peer.h2.send_data(5, b"in time")
        await peer.flush()
        assert await three.receive() == b"in time"


async def test_windows_open_when_a_reader_reads() -> None:
    async with server() as (peer, accepted, _far):
        peer.h2.send_headers(1, REQUEST)
        await peer.flush()
        stream = await accepted.next()
        await stream.send(b"!")
        await peer.until(h2.events.DataReceived)
        window = peer.h2.local_flow_control_window(1)
        assert window == 1 << 20
        frame = peer.h2.max_outbound_frame_size
        for start in range(0, window, frame):
            peer.h2.send_data(1, bytes(min(frame, window - start)))
        await peer.flush()
        assert peer.h2.local_flow_control_window(1) == 0
        received = 0
        while received < window:
            received += len(await stream.receive())
        await peer.until(h2.events.WindowUpdated)


async def test_sending_stops_at_the_peers_window() -> None:
    async with server() as (peer, accepted, _far):
        peer.h2.send_headers(1, REQUEST)
        await peer.flush()
        stream = await accepted.next()
        sending = asyncio.create_task(stream.send(BIG))
        received = 0
        while received < 65535:
            received += len((await peer.until(h2.events.DataReceived)).data or b"")
        assert received == 65535
        assert not sending.done()
        peer.h2.acknowledge_received_data(received, 1)
        while received < len(BIG):
            size = len((await peer.until(h2.events.DataReceived)).data or b"")
            peer.h2.acknowledge_received_data(size, 1)
            received += size
        await sending


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (b"G", 1),
        (b"GET / HTTP/1.1\r\n\r\n" + bytes(40), 1),
        (b"\xff" * 100_000, 1),
        (PREFACE + b"\xff\xff\xff\0\0\0\0\0\1", 6),
        (PREFACE + b"\0\0\4\0\0\0\0\0\1abcd", 1),
    ],
)
async def test_nonsense_ends_the_connection_and_hears_why(words: bytes, code: int) -> None:
    async with server() as (peer, accepted, _far):
        await peer.wire.send(words)
        async with asyncio.timeout(5):
            heard = await read_all(peer.wire)
        goaway = heard.index(b"\0\0\x08\7\0\0\0\0\0")
        assert heard[goaway + 9 :] == bytes(4) + code.to_bytes(4, "big")
        assert not accepted.waiting


async def test_finishing_says_so_and_takes_no_more() -> None:
    near, far = DuplexStream.pair(1 << 20)
    connection = H2Connection(far, accepted := Accepted())
    running = asyncio.create_task(connection.run())
    peer = Peer(near, is_client=True)
    await peer.flush()
    connection.finish()
    connection.finish()
    assert (await peer.until(h2.events.ConnectionTerminated)).error_code == 0
    assert await near.receive() == b""
    await near.send_eof()
    await asyncio.wait_for(running, 5)
    assert not accepted.waiting


async def test_a_wire_that_ends_first_cuts_its_streams_off() -> None:
    async with server() as (peer, accepted, _far):
        peer.h2.send_headers(1, REQUEST)
        await peer.flush()
        stream = await accepted.next()
        await peer.wire.send_eof()
        with pytest.raises(TransportError, match="cut off"):
            await stream.receive()
        with pytest.raises(TransportError, match="cut off"):
            await stream.send(b"x")


async def test_connections_without_streams_do_not_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(h2_connection, "_IDLE", 0.05)
    async with server() as (peer, accepted, _far):
        await peer.flush()
        async with asyncio.timeout(5):
            while await peer.wire.receive():
                pass
        assert not accepted.waiting


async def test_a_peer_that_does_not_read_its_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(h2_connection, "_MAX_OUTGOING", 10_000)
    async with server() as (peer, accepted, far):
        peer.h2.send_headers(1, REQUEST)
        await peer.flush()
        stream = await accepted.next()
        far.limit = 0
        for _ in range(900):
            peer.h2.ping(b"12345678")
        await peer.flush()
        with pytest.raises(TransportError, match="does not read our answers"):
            await stream.receive()


def _frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload


def _opened(number: int) -> bytes:
    """HEADERS of a POST, by the static table of HPACK alone."""
    return _frame(1, b"\x83\x84\x87\x41\x01h", flags=4, stream=number)


NUMBERS = range(3, 20_003, 2)
FLOODS: dict[str, Callable[[], bytes]] = {
    "ping": lambda: _frame(6, b"12345678") * 10_000,
    "settings": lambda: _frame(4) * 10_000,
    "priority": lambda: _frame(2, b"\0\0\0\0\1", stream=1) * 10_000,
    "window": lambda: _frame(8, b"\0\0\0\1") * 10_000,
    "window of a stream": lambda: _frame(8, b"\0\0\0\1", stream=1) * 10_000,
    "empty data": lambda: _frame(0, stream=1) * 10_000,
    "padded data": lambda: _frame(0, b"\0", flags=8, stream=1) * 10_000,
    "unknown": lambda: _frame(99, stream=1) * 10_000,
    "continuation": lambda: _frame(1, b"\x83", stream=3) + _frame(9, stream=3) * 10_000,
    "reset": lambda: b"".join(_opened(n) + _frame(3, bytes(4), stream=n) for n in NUMBERS),
    # Each stream is reset by the server: its window cannot grow by nothing.
    "made you reset": lambda: b"".join(_opened(n) + _frame(8, bytes(4), stream=n) for n in NUMBERS),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_floods_end_the_connection_after_a_bounded_work(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted: bytes that the library parses, and streams that are handed over."""
    parsed: list[int] = []
    real = h2.connection.H2Connection.receive_data

    def receive_data(self: h2.connection.H2Connection, data: bytes) -> list[h2.events.Event]:
        parsed.append(len(data))
        return real(self, data)

    monkeypatch.setattr(h2_connection, "_BODY_WAIT", 60)
    async with server() as (peer, accepted, _far):
        peer.h2.send_headers(1, REQUEST)
        peer.h2.send_data(1, b"?")
        await peer.flush()
        stream = await accepted.next()
        monkeypatch.setattr(h2.connection.H2Connection, "receive_data", receive_data)
        await peer.wire.send(FLOODS[name]())
        assert await stream.receive() == b"?"
        with pytest.raises(TransportError, match="HTTP/2"):
            await stream.receive()
        heard = await asyncio.wait_for(read_all(peer.wire), 5)
        assert b"\0\0\x08\7\0\0\0\0\0" in heard  # GOAWAY
        assert not accepted.waiting
    assert sum(parsed) <= 2 * 65536


async def test_use_is_no_flood() -> None:
    """Requests one after the other, with windows opened for each frame of the answers."""
    async with server() as (peer, accepted, _far):
        peer.h2.send_headers(1, REQUEST)
        peer.h2.send_data(1, b"?")
        await peer.flush()
        first = await accepted.next()  # it stays open, so the connection lives
        for number in range(3, 4001, 2):
            peer.h2.send_headers(number, REQUEST)
            peer.h2.send_data(number, b"?", end_stream=True)
            await peer.flush()
            stream = await accepted.next()
            assert await stream.receive() == b"?"
            await stream.send(b"!" * 100)
            data = await peer.until(h2.events.DataReceived)
            peer.h2.acknowledge_received_data(data.flow_controlled_length or 0, number)
            peer.h2.increment_flow_control_window(100)
            await stream.aclose()
            await peer.until(h2.events.StreamEnded)
        await first.send(b"still here")


async def test_a_request_is_handed_over_with_its_first_byte_or_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(h2_connection, "_BODY_WAIT", 60)
    async with server() as (peer, accepted, _far):
        peer.h2.send_headers(1, REQUEST)
        peer.h2.send_headers(3, REQUEST)
        peer.h2.reset_stream(3)
        peer.h2.send_headers(5, REQUEST, end_stream=True)
        await peer.flush()
        stream = await accepted.next()
        assert isinstance(stream, H2Stream)
        assert stream.number == 5
        assert not accepted.waiting
