"""Datagrams of a session, sent and received from Python."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.kcp.support import SETTINGS, echo, peers
from tests.unit.waiting import PATIENCE, until

from blinktun import kcp
from blinktun.errors import TransportError
from blinktun.kcp import DatagramClass
from blinktun.kcp.flow import MAX_DATAGRAM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def flows() -> AsyncIterator[tuple[kcp.Session, asyncio.Queue[kcp.Flow]]]:
    """A client's session, and what its server gets of the flows that it opens."""
    opened: asyncio.Queue[kcp.Flow] = asyncio.Queue()

    async def take(flow: kcp.Flow) -> None:
        opened.put_nowait(flow)
        await asyncio.Event().wait()

    server = await kcp.serve(echo, "127.0.0.1:0", SETTINGS, datagrams=take)
    async with server, await kcp.connect(server.address, SETTINGS) as session:
        yield session, opened


async def received(flow: kcp.Flow) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await flow.receive()


@pytest.mark.parametrize("class_", DatagramClass)
async def test_datagrams_of_any_size_go_both_ways(class_: DatagramClass) -> None:
    async with flows() as (session, opened), session.open_flow(class_, label=b"a name") as near:
        assert (near.class_, near.label) == (class_, b"a name")
        sizes = [0, 1, 1000, 1400, 5000, MAX_DATAGRAM]
        sent = [bytes([number]) * size for number, size in enumerate(sizes)]
        for data in sent:
            await near.send(data)
        async with asyncio.timeout(PATIENCE):
            far = await opened.get()
        assert (far.class_, far.label) == (class_, b"a name")
        assert far.peer == f"127.0.0.1:{session.local.port}"
        assert sorted([await received(far) for _ in sent]) == sorted(sent)
        await far.send(memoryview(b"back"))
        assert await received(near) == b"back"
        stats = session.stats()
        assert stats
        assert (stats.flows, stats.sent_datagrams, stats.received_datagrams) == (1, len(sent), 1)
        assert session.flows == 1


async def test_an_end_is_told_and_what_comes_later_opens_nothing() -> None:
    async with flows() as (session, opened):
        near, other = session.open_flow(), session.open_flow()
        await near.send(b"x")
        far = await opened.get()
        await other.send(b"y")
        other_far = await opened.get()
        near.close()
        with pytest.raises(TransportError, match="closed here"):
            await near.send(b"z")
        assert [data async for data in far] == [b"x"]
        with pytest.raises(TransportError, match="the flow has ended"):
            await far.receive()
        assert await received(other_far) == b"y"
        assert session.flows == 1


async def test_the_end_of_a_session_ends_its_flows() -> None:
    async with flows() as (session, opened):
        near = session.open_flow()
        await near.send(b"x")
        await opened.get()
        waiting = asyncio.create_task(near.receive())
        await asyncio.sleep(0)
        session.close()
        with pytest.raises(TransportError, match="closed here"):
            await waiting
        with pytest.raises(TransportError):
            session.open_flow()
        assert session.takes_datagrams is False


async def test_a_server_without_use_for_datagrams_refuses_the_flow() -> None:
    async with peers() as both:
        near = both.near.open_flow()
        await near.send(b"x")
        await until(lambda: not both.near.flows)
        with pytest.raises(TransportError, match="the flow has ended"):
            await near.receive()
        assert both.near.takes_datagrams


async def test_a_server_that_takes_none_says_so() -> None:
    async with peers(server_settings=replace(SETTINGS, datagrams=False)) as both:
        assert both.near.takes_datagrams is None
        near = both.near.open_flow()
        await near.send(b"x")
        await until(lambda: both.near.takes_datagrams is False)
        with pytest.raises(TransportError, match="the flow has ended"):
            await near.receive()
        with pytest.raises(TransportError, match="takes no datagrams"):
            both.near.open_flow()


async def test_what_cannot_be_sent_is_refused() -> None:
    async with flows() as (session, _):
        near = session.open_flow()
        with pytest.raises(ValueError, match="at most 65507 bytes, not 65508"):
            await near.send(bytes(MAX_DATAGRAM + 1))
        with pytest.raises(TransportError, match="label"):
            session.open_flow(label=bytes(256))
        with pytest.raises(TypeError, match="DatagramClass"):
            session.open_flow("plain")  # type: ignore[arg-type]


async def test_a_reliable_flow_waits_and_loses_nothing() -> None:
    async with flows() as (session, opened), session.open_flow(DatagramClass.RELIABLE) as near:
        count = 3000

        async def send() -> None:
            for number in range(count):
                await near.send(number.to_bytes(2, "big") * 500)

        sending = asyncio.create_task(send())
        far = await opened.get()
        seen = {(await received(far))[:2] for _ in range(count)}
        assert seen == {number.to_bytes(2, "big") for number in range(count)}
        await sending


async def test_the_newest_wait_for_a_reader_that_is_slow() -> None:
    async with flows() as (session, opened):
        near = session.open_flow()
        await near.send(b"first")
        far = await opened.get()
        for number in range(100):
            await near.send(bytes([number]) * 10_000)
            await asyncio.sleep(0)
        stats = session.stats()
        await until(lambda: _count(session) >= 1)
        assert stats
        last = b""
        while last[:1] != bytes([99]):
            last = await received(far)


def _count(session: kcp.Session) -> int:
    stats = session.stats()
    return stats.sent_datagrams if stats else 0


async def test_a_flow_that_has_ended_before_anybody_looks_is_nobody_s() -> None:
    async with flows() as (session, opened):
        first = session.open_flow()
        await first.send(b"x")
        await opened.get()
        for _ in range(20):
            short = session.open_flow()
            await short.send(b"gone at once")
            short.close()  # before its datagram leaves, or together with it
        last = session.open_flow()
        await last.send(b"y")
        async with asyncio.timeout(PATIENCE):
            while (await opened.get()).key[2] != last.key[2]:
                pass
