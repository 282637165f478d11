from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import asynccontextmanager
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.errors import LocalError, RemoteError, TransportError
from blinktun.presets.mux_frames import MAX_DATA, pack_close, pack_data, pack_new
from blinktun.testing.duplex import DuplexStream
from blinktun.transports.watching import unless_broken
from blinktun.tunnel import mux_connection, mux_stream
from blinktun.tunnel import mux_session as room
from blinktun.tunnel.mux_session import MuxSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from blinktun.tunnel.mux_stream import MuxStream

TARGET = Address("example.com", 80)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mux_stream, "_FIRST_WAIT", 0.01)


class Ends:
    """A client's and a server's session, and what the client opened, as the server sees it."""

    def __init__(self, answer_wait: float) -> None:
        self.near_wire, self.far_wire = DuplexStream.pair()
        self.accepted: asyncio.Queue[tuple[MuxStream, Address]] = asyncio.Queue()
        self.client = MuxSession(self.near_wire, answer_wait=answer_wait)
        self.server = MuxSession(
            self.far_wire, lambda stream, target: self.accepted.put_nowait((stream, target))
        )
        self.runs = [
            asyncio.ensure_future(session.run(idle=60)) for session in (self.client, self.server)
        ]

    async def connected(self, first: bytes = b"hello") -> tuple[MuxStream, MuxStream]:
        near = self.client.open(TARGET)
        await near.send(first)
        far, target = await self.accepted.get()
        assert target == TARGET
        return near, far


@asynccontextmanager
async def _ends(answer_wait: float = room.ANSWER_WAIT) -> AsyncIterator[Ends]:
    ends = Ends(answer_wait)
    try:
        yield ends
    finally:
        for run in ends.runs:
            run.cancel()
        await asyncio.gather(*ends.runs, return_exceptions=True)


async def test_many_streams_over_one() -> None:
    async with _ends() as ends:
        pairs = [await ends.connected(b"%d" % number) for number in range(50)]
        for number, (near, far) in enumerate(pairs):
            assert await far.receive() == b"%d" % number
            await far.send(b"answer %d" % number)
            assert await near.receive() == b"answer %d" % number
        assert len(ends.client) == len(ends.server) == 50
        for near, far in pairs:
            await near.aclose()
            assert await far.receive() == b""
        assert len(ends.client) == len(ends.server) == 0


async def test_a_target_alone_opens() -> None:
    async with _ends() as ends:
        near, far = await ends.connected(b"")
        await far.send(b"220 hello")
        assert await near.receive() == b"220 hello"


async def test_megabytes_each_way_at_once() -> None:
    payload = bytes(range(256)) * 8192
    async with _ends() as ends:
        near, far = await ends.connected(payload)

        async def take(stream: MuxStream) -> bytes:
            received = b""
            while len(received) < len(payload):
                received += await stream.receive()
            return received

        up, down, _ = await asyncio.gather(take(far), take(near), far.send(payload))
        assert up == down == payload


async def test_one_frame_until_the_server_had_time() -> None:
    near_wire, far_wire = DuplexStream.pair()
    session = MuxSession(near_wire)
    stream = session.open(TARGET)
    sending = asyncio.ensure_future(stream.send(bytes(MAX_DATA + 1)))
    first = await far_wire.receive()
    assert first == pack_new(stream._sub.cid, TARGET) + pack_data(stream._sub.cid, bytes(MAX_DATA))
    assert not sending.done()
    assert await far_wire.receive() == pack_data(stream._sub.cid, b"\0")
    await sending


async def test_the_openers_end_waits_for_the_answer() -> None:
    async with _ends() as ends:
        near, far = await ends.connected()
        await near.send_eof()
        assert await far.receive() == b"hello"
        await far.send(b"answer")
        await far.send_eof()
        assert await near.receive() == b"answer"
        assert await near.receive() == b""
        with pytest.raises(TransportError, match="closed"):
            await near.send(b"more")


async def test_an_answer_that_never_comes_is_not_awaited_for_ever() -> None:
    async with _ends(0.05) as ends:
        near, far = await ends.connected()
        receiving = asyncio.ensure_future(near.receive())
        await asyncio.sleep(0.1)
        assert not receiving.done()
        await near.send_eof()
        assert await far.receive() == b"hello"
        with pytest.raises(TransportError, match="no answer within"):
            await asyncio.wait_for(receiving, 10)
        assert await far.receive() == b""
        assert len(ends.client) == len(ends.server) == 0


async def test_an_answer_may_be_long_and_unread_for_long() -> None:
    async with _ends(0.5) as ends:
        near, far = await ends.connected()
        await near.send_eof()
        for _ in range(10):
            await asyncio.sleep(0.1)
            await far.send(b"more")
            assert await near.receive() == b"more"
        await far.send(b"last")
        await asyncio.sleep(1)
        assert len(ends.client) == 1
        assert await near.receive() == b"last"
        await far.send_eof()
        assert await near.receive() == b""


async def test_of_too_many_that_wait_for_an_answer_the_longest_silent_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mux_connection, "_MAX_WAITING", 2)
    async with _ends() as ends:
        (first, first_far), (second, second_far), (third, _) = [
            await ends.connected() for _ in range(3)
        ]
        await first.send_eof()
        await second.send_eof()
        await first_far.send(b"still here")
        assert await first.receive() == b"still here"
        await third.send_eof()
        with pytest.raises(TransportError, match="too many wait"):
            await second.receive()
        assert await second_far.receive() == b"hello"
        assert await second_far.receive() == b""
        assert len(ends.client) == len(ends.server) == 2
        await first_far.send(b"answer")
        assert await first.receive() == b"answer"


@pytest.mark.parametrize("end", ["silence", "abort", "shared"])
async def test_a_broken_stream_leaves_nothing_to_be_found(end: str) -> None:
    async with _ends(0.01) as ends:
        near, _ = await ends.connected()
        if end == "silence":
            await near.send_eof()
        elif end == "abort":
            near.abort()
        else:
            ends.far_wire.abort()
        with pytest.raises(TransportError):
            await near.receive()
        found = weakref.ref(near)
        gc.disable()  # or a cycle would be found in time
        try:
            del near
            await until(lambda: found() is None)  # the event loop keeps what it called last
        finally:
            gc.enable()


async def test_an_abort_closes_and_drops() -> None:
    async with _ends() as ends:
        near, far = await ends.connected()
        await far.send(b"never read")
        await until(lambda: near._sub.has_unread)
        near.abort()
        with pytest.raises(TransportError, match="aborted here"):
            await near.receive()
        assert await far.receive() == b"hello"
        assert await far.receive() == b""


async def test_an_opening_never_sent_is_not_told() -> None:
    async with _ends() as ends:
        ends.client.open(TARGET).abort()
        await ends.connected()
        assert ends.accepted.empty()


async def test_the_end_of_the_shared_connection_breaks_all() -> None:
    async with _ends() as ends:
        near, far = await ends.connected()
        ends.near_wire.abort()
        assert await far.receive() == b"hello"
        for stream in (near, far):
            with pytest.raises(TransportError):
                await stream.receive()
            with pytest.raises(TransportError):
                await stream.send(b"x")
        with pytest.raises(TransportError):
            ends.client.open(TARGET)


async def test_an_unread_stream_holds_up_the_shared_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mux_connection, "_UNREAD", 100_000)
    async with _ends() as ends:
        near, far = await ends.connected()

        async def send_much() -> None:
            for _ in range(100):
                await near.send(bytes(10_000))

        flood = asyncio.ensure_future(send_much())
        await until(lambda: ends.server.is_stalled)
        assert not flood.done()
        far.abort()
        with pytest.raises(TransportError, match="closed"):
            await flood
        assert not ends.server.is_stalled


async def test_too_many_streams_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mux_connection, "_MAX_STREAMS", 2)
    async with _ends() as ends:
        await ends.connected()
        await ends.connected()
        third = ends.client.open(TARGET)
        await third.send(b"x")
        assert await third.receive() == b""


@pytest.mark.parametrize(
    "wire",
    [
        b"\x07",
        pack_new(b"aaaa", TARGET) * 2,
        b"\x00aaaa\x01!\x00\x50",
    ],
    ids=["type", "twice", "host"],
)
async def test_a_broken_protocol(wire: bytes) -> None:
    async with _ends() as ends:
        await ends.near_wire.send(wire)
        with pytest.raises(RemoteError):
            await ends.runs[1]


async def test_a_server_opens_nothing() -> None:
    async with _ends() as ends:
        await ends.far_wire.send(pack_new(b"aaaa", TARGET))
        with pytest.raises(RemoteError, match="a server opened"):
            await ends.runs[0]


async def test_an_end_inside_a_frame() -> None:
    async with _ends() as ends:
        await ends.near_wire.send(b"\x01aa")
        await ends.near_wire.send_eof()
        with pytest.raises(TransportError, match="inside a frame"):
            await ends.runs[1]


async def test_frames_of_streams_that_are_over_are_passed_over() -> None:
    async with _ends() as ends:
        await ends.near_wire.send(pack_data(b"gone", b"x") + b"\x02gone")
        near, far = await ends.connected()
        assert await far.receive() == b"hello"
        assert not near.peer.startswith("?")


async def test_an_unused_connection_is_closed() -> None:
    near_wire, far_wire = DuplexStream.pair()
    session = MuxSession(near_wire)
    running = asyncio.ensure_future(session.run(idle=0.02))
    assert await far_wire.receive() == b""
    await far_wire.aclose()
    await running
    with pytest.raises(TransportError):
        session.open(TARGET)


async def test_a_target_that_does_not_fit() -> None:
    async with _ends() as ends:
        with pytest.raises(LocalError):
            ends.client.open(Address("x" * 300, 80))


def _new(number: int) -> bytes:
    return pack_new(number.to_bytes(4, "big"), TARGET)


async def test_refusals_are_bytes_within_a_bound_and_not_tasks() -> None:
    """A peer that opens without end and does not read costs no task, and is not read any more."""
    near, far = DuplexStream.pair(1024)
    accepted: list[MuxStream] = []
    session = MuxSession(far, lambda stream, _target: accepted.append(stream))
    run = asyncio.ensure_future(session.run(idle=60))
    before = len(asyncio.all_tasks())
    flood = asyncio.ensure_future(_send_pieces(near, map(_new, range(100_000)), 1000))
    await until(lambda: session.is_stalled)
    await until(lambda: sum(map(len, far._pieces)) >= far.limit)
    assert not flood.done()
    assert len(accepted) == mux_connection._MAX_STREAMS
    assert len(asyncio.all_tasks()) <= before + 3  # flood, idle timer, sender
    assert len(session._connection.closes) <= mux_connection._MAX_CLOSES + 5
    assert len(session) == mux_connection._MAX_STREAMS
    flood.cancel()
    near.abort()
    await asyncio.gather(run, flood, return_exceptions=True)


async def _send_pieces(wire: DuplexStream, frames: Iterable[bytes], at_once: int) -> None:
    frames = iter(frames)
    while piece := b"".join(islice(frames, at_once)):
        await wire.send(piece)


async def test_a_stream_that_its_peer_takes_back_counts_until_its_work_is_over() -> None:
    near, far = DuplexStream.pair(1 << 20)
    accepted: list[MuxStream] = []
    session = MuxSession(far, lambda stream, _target: accepted.append(stream))
    run = asyncio.ensure_future(session.run(idle=60))
    pairs = (
        _new(n) + pack_close(n.to_bytes(4, "big")) for n in range(mux_connection._MAX_STREAMS + 100)
    )
    await _send_pieces(near, pairs, 1000)
    await near.send(_new(1 << 20))
    await until(lambda: len(session._connection.closes) == 0 and len(near._pieces) > 0)
    assert len(accepted) == mux_connection._MAX_STREAMS
    assert len(session) == 0
    accepted[0].abort()
    await near.send(_new(1 << 21))
    await until(lambda: len(accepted) == mux_connection._MAX_STREAMS + 1)
    near.abort()
    await asyncio.gather(run, return_exceptions=True)


async def test_work_for_a_stream_ends_with_it() -> None:
    near, far = DuplexStream.pair()
    accepted: asyncio.Queue[MuxStream] = asyncio.Queue()
    session = MuxSession(far, lambda stream, _target: accepted.put_nowait(stream))
    run = asyncio.ensure_future(session.run(idle=60))
    await near.send(pack_new(b"cid!", TARGET))
    first = await accepted.get()
    work = asyncio.ensure_future(unless_broken(first, asyncio.Event().wait()))
    await near.send(pack_close(b"cid!"))
    with pytest.raises(TransportError, match="gone before its target answered"):
        await asyncio.wait_for(work, 5)
    await near.send(pack_new(b"cid2", TARGET))
    second = await accepted.get()
    work = asyncio.ensure_future(unless_broken(second, asyncio.Event().wait()))
    near.abort()
    with pytest.raises(TransportError, match="gone before its target answered"):
        await asyncio.wait_for(work, 5)
    await asyncio.gather(run, return_exceptions=True)


async def test_bytes_in_front_of_a_close_are_delivered() -> None:
    """An application that sends and leaves, such as a logger, wants no answer."""
    near, far = DuplexStream.pair()
    accepted: asyncio.Queue[MuxStream] = asyncio.Queue()
    session = MuxSession(far, lambda stream, _target: accepted.put_nowait(stream))
    run = asyncio.ensure_future(session.run(idle=60))
    await near.send(pack_new(b"cid!", TARGET) + pack_data(b"cid!", b"hello"))
    stream = await accepted.get()
    dialled = asyncio.Event()
    work = asyncio.ensure_future(unless_broken(stream, dialled.wait()))
    await near.send(pack_close(b"cid!") + pack_new(b"next", TARGET))
    await accepted.get()  # the close has been read
    dialled.set()
    assert await asyncio.wait_for(work, 5)
    assert await stream.receive() == b"hello"
    assert await stream.receive() == b""
    near.abort()
    await asyncio.gather(run, return_exceptions=True)


async def test_closing_does_not_wait_for_a_peer_that_does_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "_FLUSH_TIMEOUT", 0.01)
    near, far = DuplexStream.pair(1)
    accepted: asyncio.Queue[MuxStream] = asyncio.Queue()
    session = MuxSession(far, lambda stream, _target: accepted.put_nowait(stream))
    run = asyncio.ensure_future(session.run(idle=60))
    await near.send(_new(1))
    (await accepted.get()).abort()
    await until(lambda: session._closing)
    await asyncio.wait_for(session.aclose(), 5)
    near.abort()
    await asyncio.gather(run, return_exceptions=True)


async def test_a_peer_that_reads_no_refusals_does_not_keep_its_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "_FLUSH_TIMEOUT", 0.01)
    monkeypatch.setattr(mux_connection, "_MAX_CLOSES", 10)
    near, far = DuplexStream.pair(1)
    session = MuxSession(far, lambda stream, _target: stream.abort())
    run = asyncio.ensure_future(session.run(idle=0.05))
    flood = asyncio.ensure_future(_send_pieces(near, map(_new, range(100)), 10))
    await until(lambda: session.ended and not session._closing)
    near.abort()
    await asyncio.wait([run], timeout=5)
    assert run.done()
    flood.cancel()
    await asyncio.gather(run, flood, return_exceptions=True)
