from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.kcp.support import (
    ANY_PORT,
    PATIENCE,
    SETTINGS,
    crash,
    deaf_port,
    listening,
    open_descriptors,
    peers,
    read_all,
    tcp_pair,
    until,
)

from blinktun import kcp
from blinktun.address import Address
from blinktun.errors import TransportError

if TYPE_CHECKING:
    from tests.unit.kcp.support import Peers

    from blinktun.kcp import RelayResult

BIG = bytes(range(256)) * 8192  # 2 MiB


async def test_what_a_session_says_of_itself() -> None:
    async with peers() as both:
        near, far = await both.stream()
        assert both.near.peer == near.peer == str(both.server.address)
        assert both.far.peer == far.peer
        assert (both.near.smux_version, both.far.smux_version) == (2, 2)
        assert both.near.reason == ""
    assert both.near.is_closed
    assert both.near.reason == "closed here"
    assert both.near.smux_version is None


@pytest.mark.parametrize("version", [1, 2])
async def test_a_server_learns_the_version(version: int) -> None:
    settings = replace(SETTINGS, smuxver=version)
    async with peers(settings, server_settings=replace(SETTINGS, smuxver=None)) as both:
        await both.stream()
        assert both.far.smux_version == version


async def test_a_closed_session_opens_nothing() -> None:
    async with peers() as both:
        both.near.close()
        await both.near.closed.wait()
        with pytest.raises(TransportError, match="closed here"):
            both.near.open_stream()


async def test_streams_that_nobody_wants_are_refused() -> None:
    async with peers() as both:
        await both.stream()
        backwards = both.far.open_stream()
        await backwards.write(b"hello?")
        with pytest.raises(TransportError, match="reset by the other end"):
            await backwards.read()


# --- the end ------------------------------------------------------------------------------------


async def test_aclose_delivers_what_finished_streams_wrote() -> None:
    async with peers() as both:
        near = both.near.open_stream()
        reading = asyncio.create_task(_read_next(both))
        async with both.near:
            await near.write(BIG)
            near.finish()
        assert await reading == BIG


async def _read_next(both: Peers) -> bytes:
    return await read_all(await both.accept())


async def test_aclose_breaks_open_streams_off() -> None:
    async with peers() as both:
        near, far = await both.stream()
        await both.near.aclose()
        with pytest.raises(TransportError, match="reset by the other end"):
            await far.read()
        with pytest.raises(TransportError, match="aborted here"):
            await near.read()


async def test_aclose_ends_in_time() -> None:
    with deaf_port() as deaf:
        session = await kcp.connect(Address(*deaf.getsockname()), SETTINGS)
        await session.open_stream().write(b"anyone?")
        async with asyncio.timeout(0.5):
            await session.aclose(within=0.05)
        assert session.is_closed


async def test_old_handles_touch_nothing_new() -> None:
    # The core's numbers are never used again, so a handle may outlive what it names.
    async with peers() as both:
        old = await kcp.connect(both.server.address, SETTINGS)
        stream = old.open_stream()
        await old.aclose()
        async with await kcp.connect(both.server.address, SETTINGS) as new:
            fresh = new.open_stream()
            await fresh.write(b"?")
            far = await both.accept()
            old.close()
            old.reset(stream.key)
            stream.abort()
            stream.finish()
            with pytest.raises(TransportError):
                old.open_stream()
            assert await far.read() == b"?"
            await far.write(b"!")
            assert await fresh.read() == b"!"


# --- silence ------------------------------------------------------------------------------------


async def test_a_peer_that_never_answers_is_named_and_not_waited_for() -> None:
    with deaf_port() as deaf:
        session = await kcp.connect(Address(*deaf.getsockname()), SETTINGS)
        noticed = asyncio.Event()
        session.on_silence = lambda _session: noticed.set()
        await session.open_stream().write(b"anyone?")
        async with asyncio.timeout(3):
            await noticed.wait()
        assert session.silent
        assert not session.heard
        async with asyncio.timeout(0.2):
            await session.aclose(within=10)
            await session.aclose(within=10)


async def test_a_wrong_key_is_named_at_both_ends(caplog: pytest.LogCaptureFixture) -> None:
    async with peers(replace(SETTINGS, key="another"), server_settings=SETTINGS) as both:
        near = both.near.open_stream()
        await near.write(b"sesame")
        await until(lambda: both.near.silent)
        assert not both.near.heard
        assert not both.server.sessions
    (record,) = [r for r in caplog.records if "do not decrypt" in r.message]
    assert record.levelno == logging.WARNING
    assert "key and crypt" in record.message
    assert "another" not in caplog.text


async def test_a_client_may_be_there_before_its_server() -> None:
    with deaf_port() as early:
        where = Address(*early.getsockname())
        session = await kcp.connect(where, SETTINGS)
        stream = session.open_stream()
        await stream.write(b"early")
        await until(lambda: session.silent)
    opened: asyncio.Queue[kcp.Stream] = asyncio.Queue()
    async with listening(opened, where), session:
        async with asyncio.timeout(PATIENCE):
            assert await (await opened.get()).read() == b"early"
        await until(lambda: not session.silent)
        assert session.heard


async def test_a_restarted_server_is_noticed() -> None:
    opened: asyncio.Queue[kcp.Stream] = asyncio.Queue()
    server = listening(opened, ANY_PORT)
    session = await kcp.connect(server.address, SETTINGS)
    stream = session.open_stream()
    await stream.write(b"before")
    assert await (await opened.get()).read() == b"before"
    await session.drain()
    where = server.address
    crash(server)
    async with listening(opened, where):
        await stream.write(b"after")
        async with asyncio.timeout(1.5):
            with pytest.raises(TransportError, match="restarted"):
                await stream.read()
        assert session.is_closed
        assert "restarted" in session.reason
        with pytest.raises(TransportError, match="restarted"):
            session.open_stream()


# --- relays -------------------------------------------------------------------------------------


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
        relayed.app.close()


async def test_the_end_of_the_session_reaches_the_application() -> None:
    async with peers() as both:
        relayed = await Relayed.begin(both)
        both.near.close()
        with pytest.raises(ConnectionResetError):
            await relayed.receive()
        assert await relayed.error() == "session lost: closed here"
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
