"""Streams that are joined to sockets, from which on no Python runs for their bytes."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.kcp.support import BIG, SETTINGS, open_descriptors, peers, read_all, tcp_pair
from tests.unit.waiting import PATIENCE

from blinktun import kcp
from blinktun.errors import TransportError

if TYPE_CHECKING:
    from tests.unit.kcp.support import Peers

    from blinktun.kcp import RelayResult


class Relayed:
    """A near stream joined to an application's socket.

    Attributes:
        app: The application's socket.
        far: The other end of the stream.
        result: How it went.
    """

    far: kcp.Stream

    def __init__(self, app: socket.socket) -> None:
        self.app = app
        self.result: asyncio.Future[RelayResult] = asyncio.get_running_loop().create_future()

    @classmethod
    async def begin(cls, both: Peers, *, unix: bool = False) -> Relayed:
        app, ours = socket.socketpair() if unix else tcp_pair()
        app.setblocking(False)
        key = both.near.open_key()
        made = cls(app)
        both.near.relay(key, ours, made.result.set_result)
        made.far = await both.accept()
        return made

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.app, data)

    async def receive(self) -> bytes:
        """Everything up to the clean end."""
        parts = []
        async with asyncio.timeout(PATIENCE):
            while data := await asyncio.get_running_loop().sock_recv(self.app, 65536):
                parts.append(data)
        return b"".join(parts)

    async def error(self) -> str | None:
        async with asyncio.timeout(PATIENCE):
            return (await self.result).error

    def break_off(self) -> None:
        self.app.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.app.close()


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
async def test_a_relay_carries_bytes_and_both_ends(unix: bool) -> None:
    async with peers() as both:
        relayed = await Relayed.begin(both, unix=unix)
        assert both.near.streams == 1
        sending = asyncio.create_task(relayed.send(BIG))
        received = b""
        while len(received) < len(BIG):
            received += await relayed.far.read()
        assert received == BIG
        await sending
        assert both.near.relayed() == (len(BIG), 0)

        relayed.app.shutdown(socket.SHUT_WR)
        assert await relayed.far.read() == b""
        await relayed.far.write(b"answer after the end")
        relayed.far.finish()
        assert await relayed.receive() == b"answer after the end"
        result = await relayed.result
        assert (result.sent, result.received, result.error) == (len(BIG), 20, None)
        assert both.near.streams == 0
        assert both.near.relayed() == (0, 0)
        relayed.app.close()


async def test_an_end_before_the_relay_is_passed_on() -> None:
    async with peers() as both:
        near, far = await both.stream()
        near.finish()
        assert await far.read() == b""
        app, ours = tcp_pair()
        both.far.relay(far.key, ours, lambda _result: None)
        assert await asyncio.get_running_loop().sock_recv(app, 1) == b""
        app.sendall(b"late answer")
        app.close()
        assert await read_all(near) == b"late answer"


async def test_a_reset_by_the_application_is_passed_on() -> None:
    async with peers() as both:
        relayed = await Relayed.begin(both)
        relayed.break_off()
        with pytest.raises(TransportError, match="reset by the other end"):
            await relayed.far.read()
        assert "reset" in (await relayed.error() or "").lower()


async def test_an_application_that_goes_after_its_end_is_noticed() -> None:
    async with peers() as both:
        relayed = await Relayed.begin(both)
        relayed.app.shutdown(socket.SHUT_WR)
        assert await relayed.far.read() == b""
        relayed.break_off()
        with pytest.raises(TransportError, match="reset by the other end"):
            await _until_broken(relayed.far)
        assert await relayed.error()


async def test_an_application_that_goes_while_the_stream_is_full_is_noticed() -> None:
    async with peers() as both:
        relayed = await Relayed.begin(both)
        sending = asyncio.create_task(relayed.send(20 * BIG))
        await asyncio.wait([sending], timeout=0.2)
        sending.cancel()
        await asyncio.wait([sending])
        relayed.break_off()
        assert await relayed.error()


async def _until_broken(stream: kcp.Stream) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            await stream.write(b"")
            await kcp.Driver.current().next_turn()


async def test_a_reset_by_the_peer_reaches_the_application() -> None:
    async with peers() as both:
        relayed = await Relayed.begin(both)
        relayed.far.abort()
        with pytest.raises(ConnectionResetError):
            await relayed.receive()
        assert await relayed.error() == "reset by the other end"
        assert (await relayed.result).end is kcp.RelayEnd.PEER_RESET
        relayed.app.close()


async def test_the_end_of_the_session_reaches_the_application() -> None:
    async with peers() as both:
        relayed = await Relayed.begin(both)
        both.near.close()
        with pytest.raises(ConnectionResetError):
            await relayed.receive()
        assert await relayed.error() == "session lost: closed here"
        result = await relayed.result
        assert result.end is kcp.RelayEnd.SESSION_LOST
        assert result.reason is kcp.CloseReason.LOCAL
        relayed.app.close()


async def test_aclose_breaks_relays_off_at_both_ends() -> None:
    async with peers() as both:
        relayed = await Relayed.begin(both)
        await both.near.aclose()
        with pytest.raises(ConnectionResetError):
            await relayed.receive()
        with pytest.raises(TransportError, match="reset by the other end"):
            await relayed.far.read()
        assert await relayed.error() == "aborted here"
        assert (await relayed.result).end is kcp.RelayEnd.ABORTED
        relayed.app.close()


async def test_a_relay_that_cannot_begin_resets_its_connection() -> None:
    async with peers() as both:
        key = both.near.open_key()
        both.near.close()
        await both.near.closed.wait()
        before = open_descriptors()
        app, ours = tcp_pair()
        with pytest.raises(TransportError, match="closed here"):
            both.near.relay(key, ours, lambda _result: pytest.fail("it never began"))
        with pytest.raises(ConnectionResetError):
            app.recv(1)
        assert both.near.streams == 0
        app.close()
        assert open_descriptors() == before


async def test_a_second_relay_of_a_stream_is_refused() -> None:
    async with peers() as both:
        key = both.near.open_key()
        results: list[RelayResult] = []
        app, ours = tcp_pair()
        both.near.relay(key, ours, results.append)
        far = await both.accept()
        other_app, other = tcp_pair()
        with pytest.raises(TransportError):
            both.near.relay(key, other, lambda _result: pytest.fail("it never began"))
        for connection in (app, other_app):
            with pytest.raises(ConnectionResetError):
                await asyncio.get_running_loop().sock_recv(connection, 1)
            connection.close()
        with pytest.raises(TransportError, match="reset"):
            await far.read()
        assert [result.error for result in results] == ["aborted here"]


async def test_a_relay_waits_for_a_slow_reader() -> None:
    settings = replace(SETTINGS, streambuf=65536, nocomp=True)
    async with peers(settings) as both:
        relayed = await Relayed.begin(both)
        total = 8 * len(BIG)
        sending = asyncio.create_task(relayed.send(8 * BIG))
        _, waiting = await asyncio.wait([sending], timeout=0.3)
        assert waiting
        assert both.near.relayed()[0] <= 600_000
        received = 0
        while received < total:
            received += len(await relayed.far.read(1 << 20))
        await sending
        relayed.far.abort()
        await relayed.result
        relayed.app.close()


async def test_many_relays_leave_nothing_behind() -> None:
    async with peers() as both:
        before = open_descriptors()
        for _ in range(50):
            relayed = await Relayed.begin(both)
            relayed.app.close()
            assert await relayed.far.read() == b""
            relayed.far.finish()
            assert await relayed.error() is None
        assert open_descriptors() == before
        assert (both.near.streams, both.near._owned, both.far._owned) == (0, {}, {})
