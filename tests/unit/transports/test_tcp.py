from __future__ import annotations

import asyncio
import gc
import logging
import random
import resource
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tests.unit.net.support import deaf_port
from tests.unit.transports.ends import BIG
from tests.unit.waiting import PATIENCE, until

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.net import dial
from blinktun.net.dial import begin_dial
from blinktun.testing.loopback import ANY_PORT, echo, read_all, read_exactly, serving
from blinktun.transports import tcp
from blinktun.transports.tcp import TcpDialer

if TYPE_CHECKING:
    from blinktun.transports.base import Stream


class Accepted:
    """A server's handler that hands the first stream to the test."""

    def __init__(self) -> None:
        self.stream: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()

    async def __call__(self, stream: Stream) -> None:
        self.stream.set_result(stream)
        await asyncio.Event().wait()


async def test_bytes_and_both_ends() -> None:
    async with serving(echo) as address:
        stream = await TcpDialer().connect(address)
        assert stream.peer == str(address)
        await stream.send(b"hello")
        assert await read_exactly(stream, 5) == b"hello"
        await stream.send_eof()
        await stream.send_eof()
        assert await stream.receive() == b""
        assert await stream.receive() == b""
        await stream.aclose()
        await stream.aclose()


async def test_half_close_leaves_the_other_direction_open() -> None:
    async def answer_late(stream: Stream) -> None:
        asked = await read_all(stream)
        await asyncio.sleep(0.05)
        await stream.send(b"you said " + asked)
        await stream.aclose()

    async with serving(answer_late) as address:
        stream = await TcpDialer().connect(address)
        await stream.send(b"this")
        await stream.send_eof()
        assert await read_all(stream) == b"you said this"
        await stream.aclose()


async def test_a_reset_is_no_clean_end() -> None:
    accepted = Accepted()
    async with serving(accepted) as address:
        stream = await TcpDialer().connect(address)
        (await accepted.stream).abort()
        with pytest.raises(TransportError) as caught:
            await stream.receive()
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        assert caught.value.peer == str(address)
        with pytest.raises(TransportError):
            await stream.send(b"x")
        with pytest.raises(TransportError):
            await stream.send_eof()
        await stream.aclose()


async def test_what_came_before_a_reset_is_delivered() -> None:
    accepted = Accepted()
    async with serving(accepted) as address:
        stream = await TcpDialer().connect(address)
        peer = await accepted.stream
        await peer.send(b"last words")
        await until(lambda: stream._queued)
        peer.abort()
        await until(lambda: stream._lost)
        assert await stream.receive() == b"last words"
        with pytest.raises(TransportError):
            await stream.receive()


async def test_abort_wakes_our_own_readers_and_writers() -> None:
    accepted = Accepted()
    async with serving(accepted) as address:
        stream = await TcpDialer().connect(address)
        reading = asyncio.create_task(_receive(stream))
        writing = asyncio.create_task(_send_for_ever(stream))
        await until(lambda: stream._reader and stream._writer)
        stream.abort()
        stream.abort()
        for task in (reading, writing):
            with pytest.raises(TransportError):
                await task


async def test_send_waits_for_a_slow_reader() -> None:
    accepted = Accepted()
    async with serving(accepted) as address:
        stream = await TcpDialer().connect(address)
        peer = await accepted.stream
        sending = asyncio.create_task(_send_all(stream, 30 * len(BIG)))
        _, pending = await asyncio.wait({sending}, timeout=0.3)
        assert pending
        received = 0
        while received < 30 * len(BIG):
            received += len(await peer.receive())
        await sending
        stream.abort()


async def test_a_dial_leaves_the_reserve_of_descriptors_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accepted = Accepted()
    async with serving(accepted) as address:
        with socket.socket() as probe:
            number = probe.fileno()
        monkeypatch.setattr(resource, "getrlimit", lambda _: (number, number))
        with pytest.raises(TransportError, match="too many open files"):
            await TcpDialer().connect(address)
        monkeypatch.undo()
        (await TcpDialer().connect(address)).abort()
        await accepted.stream  # the first one, for there was no connection before


async def test_readers_that_stand_still_share_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gets little once all of them hold much; what they hold arrives whole."""
    monkeypatch.setattr(tcp, "_SCARCE", 2 << 20)
    gc.collect()  # streams of other tests
    held_before = tcp._memory.held
    accepted: list[Stream] = []
    payload = random.Random(1).randbytes(1 << 20)

    async def hold(stream: Stream) -> None:
        accepted.append(stream)
        await asyncio.Event().wait()

    async with serving(hold) as address:
        streams = [await TcpDialer().connect(address) for _ in range(60)]
        sends = [asyncio.create_task(stream.send(payload)) for stream in streams]
        await until(lambda: len(accepted) == len(streams))
        await until(lambda: all(stream._reading_paused for stream in accepted))  # type: ignore[attr-defined]
        each = 2 * tcp._SCARCE_HIGH
        most = (2 << 20) + tcp._HIGH + tcp._ONE_READ + len(streams) * each
        assert held_before < tcp._memory.held <= held_before + most
        for stream in accepted:
            assert await read_exactly(stream, len(payload)) == payload
        await asyncio.gather(*sends)
        assert tcp._memory.held == held_before
        for stream in streams:
            stream.abort()


async def test_what_nobody_asks_for_is_given_back() -> None:
    accepted = Accepted()
    gc.collect()  # streams of other tests
    held_before = tcp._memory.held
    async with serving(accepted) as address:
        stream = await TcpDialer().connect(address)
        await stream.send(b"hello")
        await accepted.stream
        await until(lambda: tcp._memory.held == held_before + 5)
        stream.abort()
    del stream, accepted

    def is_given_back() -> bool:
        gc.collect()
        return tcp._memory.held == held_before

    await until(is_given_back)


async def test_what_is_queued_is_flushed_on_close() -> None:
    accepted = Accepted()
    async with serving(accepted) as address:
        stream = await TcpDialer().connect(address)
        await stream.send(BIG[:400_000])
        closing = asyncio.create_task(stream.aclose())
        assert await read_all(await accepted.stream) == BIG[:400_000]
        await closing


async def test_close_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "_FLUSH_TIMEOUT", 0.05)
    accepted = Accepted()
    async with serving(accepted) as address:
        stream = await TcpDialer().connect(address)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await _send_for_ever(stream)
        async with asyncio.timeout(PATIENCE):
            await stream.aclose()


async def test_cancelled_close_resets() -> None:
    accepted = Accepted()
    async with serving(accepted) as address:
        stream = await TcpDialer().connect(address)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await _send_for_ever(stream)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await stream.aclose()
        with pytest.raises(TransportError):
            await read_all(await accepted.stream)


async def test_cancelled_receive_loses_nothing() -> None:
    accepted = Accepted()
    async with serving(accepted) as address:
        stream = await TcpDialer().connect(address)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await stream.receive()
        await (await accepted.stream).send(b"late")
        assert await stream.receive() == b"late"
        await stream.aclose()


async def test_refused_and_unknown() -> None:
    async with serving(echo) as address:
        pass
    with pytest.raises(TransportError) as caught:
        await TcpDialer().connect(address)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert caught.value.peer == str(address)
    with pytest.raises(TransportError):
        await TcpDialer().connect(Address("a" * 70 + ".invalid", 1))


async def test_connect_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "DIAL_TIMEOUT", 0.02)
    with deaf_port() as where, pytest.raises(TransportError, match="timed out") as caught:
        await TcpDialer().connect(where)
    assert isinstance(caught.value.__cause__, TimeoutError)


async def test_a_connection_that_breaks_before_it_is_served(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def gone(_on_stream: object) -> Stream:
        raise ConnectionAbortedError("gone")

    monkeypatch.setattr(tcp, "TcpStream", gone)
    async with serving(echo) as address:
        begin_dial(address).close()
        await until(lambda: "ended before it was served" in caplog.text)


async def test_a_port_in_use() -> None:
    listener = await tcp.listen(ANY_PORT, lambda stream: stream.abort())
    with pytest.raises(TransportError, match="cannot listen"):
        await tcp.listen(listener.addresses[0], lambda stream: stream.abort())
    await listener.aclose()


async def test_an_end_behind_a_reset_that_nobody_has_seen_yet() -> None:
    accepted = Accepted()
    async with serving(accepted) as address:
        peer = socket.create_connection((address.host, address.port))
        stream = await accepted.stream
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()  # the reset; the event loop has not looked since
        with suppress(TransportError):  # some event loops do not look here either
            await stream.send_eof()
        with pytest.raises(TransportError):
            await stream.receive()
        stream.abort()


async def test_sockets_are_set_up_for_tunnels() -> None:
    accepted = Accepted()
    async with serving(accepted) as address:
        stream = await TcpDialer().connect(address)
        for end in (stream, await accepted.stream):
            assert isinstance(end, tcp.TcpStream)
            sock = end._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        stream.abort()


async def _receive(stream: Stream) -> None:
    await stream.receive()


async def _send_all(stream: Stream, size: int) -> None:
    for _ in range(0, size, len(BIG)):
        await stream.send(BIG)


async def _send_for_ever(stream: Stream) -> None:
    while True:
        await stream.send(BIG)
