from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.kcp.support import (
    ANY_PORT,
    BIG,
    SETTINGS,
    crash,
    deaf_port,
    listening,
    peers,
    read_all,
)
from tests.unit.waiting import PATIENCE, until

from blinktun import kcp
from blinktun.address import Address
from blinktun.errors import TransportError

if TYPE_CHECKING:
    from tests.unit.kcp.support import Peers


async def test_what_a_session_says_of_itself() -> None:
    async with peers() as both:
        near, far = await both.stream()
        assert both.near.peer == near.peer == str(both.server.address)
        assert both.far.peer == far.peer
        assert (both.near.smux_version, both.far.smux_version) == (2, 2)
        assert (both.near.reason, both.near.close_reason) == ("", None)
    assert both.near.is_closed
    assert both.near.reason == "closed here"
    assert both.near.close_reason is kcp.CloseReason.LOCAL
    assert both.near.smux_version is None


async def test_what_a_session_has_counted() -> None:
    async with peers() as both:
        before = both.near.stats()
        assert before
        assert (before.sent_packets, before.rtt, before.sent_overhead) == (0, None, None)
        near, far = await both.stream()
        await near.write(bytes(range(256)) * 400)
        received = 0
        while received < 256 * 400:
            received += len(await far.read())
        await both.near.drain()
        near_stats, far_stats = both.near.stats(), both.far.stats()
    assert near_stats
    assert far_stats
    assert near_stats.sent_bytes > near_stats.sent_payload > 0
    assert near_stats.sent_overhead == near_stats.sent_bytes / near_stats.sent_payload
    assert far_stats.received_payload == near_stats.sent_payload
    assert 0 < far_stats.received_packets <= near_stats.sent_packets
    assert near_stats.min_rtt is not None
    assert near_stats.latest_rtt is not None
    assert 0 <= near_stats.min_rtt <= near_stats.latest_rtt < PATIENCE
    assert (near_stats.mtu, near_stats.in_flight) == (SETTINGS.mtu, 0)
    assert near_stats.rate
    assert (near_stats.streams, near_stats.smux_version) == (1, 2)
    assert near_stats.peer_is_blinktun
    assert near_stats.peer_window > 0
    assert near_stats.window > 0
    assert both.near.stats() is None
    with pytest.raises(AttributeError):
        near_stats.mtu = 1  # type: ignore[misc]


@pytest.mark.parametrize("version", [1, 2])
async def test_two_blinktun_go_on_in_version_2(version: int) -> None:
    settings = replace(SETTINGS, smuxver=version)
    async with peers(settings, server_settings=replace(SETTINGS, smuxver=None)) as both:
        near, far = await both.stream()
        await near.write(b"ping")
        assert await far.read() == b"ping"
        await far.write(b"pong")
        assert await near.read() == b"pong"
        assert (both.near.smux_version, both.far.smux_version) == (2, 2)


async def test_a_closed_session_opens_nothing() -> None:
    async with peers() as both:
        both.near.close()
        await both.near.closed.wait()
        with pytest.raises(TransportError, match="closed here"):
            both.near.open_stream()


async def test_the_bug_of_one_who_is_told_of_an_end_stops_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[str] = []

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async with peers() as both:
        stream, _ = await both.stream()
        near = both.near
        stream._on_broken = fail
        for on_end in (fail, lambda: told.append("flow")):
            near.join_flow(near.open_flow_key(kcp.DatagramClass.PLAIN, b""), on_end)
        near.on_end = fail
        near.close()
        await asyncio.wait_for(near.closed.wait(), PATIENCE)
        await until(lambda: told)
    bugs = [record for record in caplog.records if record.exc_info]
    assert [record.message[:4] for record in bugs] == ["bug:"] * 3
    assert told == ["flow"]


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
        async with asyncio.timeout(1):
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
        async with asyncio.timeout(PATIENCE):
            await noticed.wait()
        assert session.silent
        assert not session.heard
        async with asyncio.timeout(PATIENCE):
            await session.aclose(within=100)
            await session.aclose(within=100)


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
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(TransportError, match="restarted"):
                await stream.read()
        assert session.is_closed
        assert "restarted" in session.reason
        assert session.close_reason is kcp.CloseReason.PEER_RESTARTED
        with pytest.raises(TransportError, match="restarted"):
            session.open_stream()
