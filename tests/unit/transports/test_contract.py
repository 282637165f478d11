"""What `Stream` promises, kept by every transport."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.unit.transports.ends import BIG, connected, link_over, listening
from tests.unit.waiting import until

from blinktun.errors import TransportError
from blinktun.testing.loopback import read_all, read_exactly
from blinktun.transports.registry import TRANSPORTS, find_transport
from blinktun.transports.watching import unless_broken

if TYPE_CHECKING:
    from blinktun.transports.base import Stream

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)
with_half_close = pytest.mark.parametrize("transport", ["tcp", "tls", "h2", "kcp"])


@every_transport
async def test_bytes_both_ways(transport: str) -> None:
    async with connected(transport) as (near, far):
        assert near.peer
        assert far.peer
        sending = asyncio.gather(_send_all(near, BIG), _send_all(far, BIG[::-1]))
        received = await asyncio.gather(_take(far, len(BIG)), _take(near, len(BIG)))
        await sending
        assert received[0] == BIG
        assert received[1] == BIG[::-1]


@every_transport
async def test_single_bytes(transport: str) -> None:
    async with connected(transport) as (near, far):
        for number in range(50):
            await near.send(bytes((number,)))
            assert await read_exactly(far, 1) == bytes((number,))
            await far.send(memoryview(bytes((number,))))
            assert await read_exactly(near, 1) == bytes((number,))


@every_transport
async def test_the_server_ends(transport: str) -> None:
    async with connected(transport) as (near, far):
        await far.send(b"last words")
        await far.send_eof()
        await far.send_eof()
        assert await read_all(near) == b"last words"
        assert await near.receive() == b""
        await near.send_eof()
        await near.aclose()
        assert await far.receive() == b""
        await far.aclose()
        await far.aclose()


@every_transport
async def test_closing_at_once_ends_cleanly(transport: str) -> None:
    async with connected(transport) as (near, far):
        await near.send(BIG[:100_000])
        closing = asyncio.create_task(near.aclose())
        assert await read_all(far) == BIG[:100_000]
        await far.aclose()
        await closing


@with_half_close
async def test_half_close_leaves_the_other_direction_open(transport: str) -> None:
    async with connected(transport) as (near, far):
        await near.send(b"question")
        await near.send_eof()
        assert await read_all(far) == b"question"
        for _ in range(3):
            await far.send(BIG[:10_000])
            assert await read_exactly(near, 10_000) == BIG[:10_000]
        await far.send_eof()
        assert await near.receive() == b""
        await asyncio.gather(near.aclose(), far.aclose())


@every_transport
@pytest.mark.parametrize("role", ["client", "server"])
async def test_an_abort_is_no_clean_end(transport: str, role: str) -> None:
    async with connected(transport) as ends:
        ours, theirs = ends if role == "server" else ends[::-1]
        theirs.abort()
        theirs.abort()
        async with asyncio.timeout(10):
            with pytest.raises(TransportError):
                await ours.receive()
            with pytest.raises(TransportError):
                await _send_for_ever(ours)


@every_transport
async def test_abort_wakes_our_own_readers_and_writers(transport: str) -> None:
    async with connected(transport) as (near, _far):
        reading = asyncio.create_task(_receive(near))
        writing = asyncio.create_task(_send_for_ever(near))
        await asyncio.sleep(0.05)  # mostly both wait by then; none may hang if not
        near.abort()
        async with asyncio.timeout(10):
            for task in (reading, writing):
                with pytest.raises(TransportError):
                    await task


@every_transport
@pytest.mark.parametrize("role", ["client", "server"])
async def test_send_waits_for_a_slow_reader(transport: str, role: str) -> None:
    size = 20 * len(BIG)
    async with connected(transport) as ends:
        ours, theirs = ends if role == "client" else ends[::-1]
        sending = asyncio.create_task(_send_all(ours, BIG, times=20))
        _, pending = await asyncio.wait({sending}, timeout=0.3)
        assert pending
        async with asyncio.timeout(30):
            received = 0
            while received < size:
                received += len(await theirs.receive())
            await sending


@every_transport
async def test_cancelled_receive_loses_nothing(transport: str) -> None:
    async with connected(transport) as (near, far):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await near.receive()
        await far.send(b"late")
        assert await read_exactly(near, 4) == b"late"


@every_transport
async def test_close_does_not_wait_for_ever(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("tcp", "upgrade", "h2_stream"):
        monkeypatch.setattr(f"blinktun.transports.{module}._FLUSH_TIMEOUT", 0.05)
    monkeypatch.setattr("blinktun.kcp.stream._LINGER", 0.05)
    async with connected(transport) as (near, _far):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await _send_for_ever(near)
        async with asyncio.timeout(5):
            await near.aclose()


@every_transport
async def test_a_port_in_use(transport: str) -> None:
    async with listening(link_over(transport)) as (listener, _accepted):
        link = link_over(transport, listener.addresses[0])
        with pytest.raises(TransportError, match="cannot listen"):
            await find_transport(link).listen(link, lambda stream: stream.abort())


async def _receive(stream: Stream) -> None:
    await stream.receive()


async def _take(stream: Stream, size: int) -> bytes:
    parts = []
    while size > 0:
        parts.append(bytes(await stream.receive()))
        size -= len(parts[-1])
    return b"".join(parts)


async def _send_all(stream: Stream, data: bytes, times: int = 1) -> None:
    for _ in range(times):
        await stream.send(data)


async def _send_for_ever(stream: Stream) -> None:
    while True:
        await stream.send(BIG)


@every_transport
async def test_a_watcher_hears_of_a_break_though_no_task_receives(transport: str) -> None:
    async with connected(transport) as (near, far):
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        work = asyncio.ensure_future(unless_broken(far, never))
        await near.send(b"more, that is not received")
        near.abort()
        with pytest.raises(TransportError, match="gone before its target answered"):
            await asyncio.wait_for(work, 10)
        with pytest.raises(TransportError):
            await asyncio.wait_for(unless_broken(far, asyncio.Event().wait()), 10)


@every_transport
async def test_a_watcher_does_not_disturb_what_succeeds(transport: str) -> None:
    async with connected(transport) as (near, far):
        assert await unless_broken(far, asyncio.sleep(0, "done")) == "done"
        with pytest.raises(ZeroDivisionError):
            await unless_broken(far, _fail(ZeroDivisionError()))
        with pytest.raises(TimeoutError):
            await unless_broken(far, _fail(TimeoutError()))
        await near.send(b"hello")
        assert await read_exactly(far, 5) == b"hello"


async def _fail(error: Exception) -> None:
    raise error


@every_transport
async def test_a_stream_knows_for_how_long_nothing_has_moved(transport: str) -> None:
    async with connected(transport) as (near, far):
        await near.send(b"a")
        assert await read_exactly(far, 1) == b"a"
        for stream in (near, far):
            await until(lambda stream=stream: stream.idle > 0.1)  # type: ignore[misc]
        before = min(near.idle, far.idle)
        await near.send(b"b")
        assert await read_exactly(far, 1) == b"b"
        assert far.idle < before
