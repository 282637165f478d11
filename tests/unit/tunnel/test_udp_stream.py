from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.errors import RemoteError, TransportError
from blinktun.net.resolve import Resolver
from blinktun.relay.relay import Traffic
from blinktun.testing.duplex import DuplexStream
from blinktun.testing.loopback import answering
from blinktun.testing.scripted import ScriptedStream
from blinktun.tunnel.outbound import Outbound
from blinktun.tunnel.targets import DATAGRAMS
from blinktun.tunnel.udp_stream import StreamPath, carry_datagrams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blinktun.transports.base import Stream

Answers = asyncio.Queue[tuple[Address, bytes]]


class Joined(Outbound):
    """Streams that lead to `carry_datagrams` without anything between."""

    sends_lone_header = True

    def __init__(self) -> None:
        self.traffic = Traffic()
        self.ends: list[DuplexStream] = []
        self.served: list[asyncio.Task[None]] = []

    async def open(self, target: Address) -> Stream:
        assert target == DATAGRAMS
        near, far = DuplexStream.pair()
        self.ends.append(far)
        serving = carry_datagrams(far, Resolver(), idle=60, traffic=self.traffic)
        self.served.append(asyncio.ensure_future(serving))
        return near

    async def aclose(self) -> None:
        for task in self.served:
            task.cancel()
        await asyncio.gather(*self.served, return_exceptions=True)


@asynccontextmanager
async def _path() -> AsyncIterator[tuple[StreamPath, Answers, Joined]]:
    outbound, answers = Joined(), Answers()
    path = StreamPath(outbound, lambda *got: answers.put_nowait(got))
    try:
        yield path, answers, outbound
    finally:
        path.close()
        await asyncio.gather(path._task, return_exceptions=True)
        await outbound.aclose()


async def test_there_and_back() -> None:
    async with _path() as (path, answers, outbound), answering(bytes.upper) as target:
        for payload in (b"a", b"", b"x" * 1400):
            path.send(target, payload)
            assert await asyncio.wait_for(answers.get(), 10) == (target, payload.upper())
        assert outbound.traffic.up == outbound.traffic.down == 1401


async def test_another_stream_when_one_breaks(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with _path() as (path, answers, outbound), answering(bytes.upper) as target:
        path.send(target, b"a")
        await asyncio.wait_for(answers.get(), 10)
        outbound.ends[0].abort()
        await until(lambda: "datagrams wait for another stream" in caplog.text)
        path.send(target, b"b")
        assert await asyncio.wait_for(answers.get(), 10) == (target, b"B")
        assert len(outbound.ends) == 2


async def test_what_does_not_fit_is_lost() -> None:
    async with _path() as (path, answers, _outbound), answering(bytes.upper) as target:
        for _ in range(1000):
            path.send(target, bytes(60_000))
        path.send(target, bytes(70_000))
        path.send(Address("x" * 300, 1), b"x")

        def is_answered() -> bool:
            path.send(target, b"late")  # may be lost as well, while the others are on their way
            came = [answers.get_nowait() for _ in range(answers.qsize())]
            return (target, b"LATE") in came

        await until(is_answered)


async def test_many_small_ones_in_chunks_cut_anywhere() -> None:
    target = Address("192.0.2.7", 53)
    one = bytes.fromhex("0008 01 c0000207 0035 78")
    got: asyncio.Queue[tuple[Address, bytes]] = asyncio.Queue()
    chunks = [(one * 20_000)[at : at + 65_537] for at in range(0, 20_000 * len(one), 65_537)]

    class Ready(Outbound):
        sends_lone_header = True

        async def open(self, target: Address) -> Stream:
            return ScriptedStream(chunks)

    path = StreamPath(Ready(), lambda *answer: got.put_nowait(answer))
    try:
        async with asyncio.timeout(10):
            assert [await got.get() for _ in range(20_000)] == [(target, b"x")] * 20_000
    finally:
        path.close()


async def test_a_broken_format() -> None:
    link = ScriptedStream([b"\0\2\1\x7f"])
    with pytest.raises(RemoteError, match="inside its address"):
        await carry_datagrams(link, Resolver(), idle=60, traffic=Traffic())


async def test_silence_ends_it() -> None:
    link = ScriptedStream(ends=False)
    with pytest.raises(TransportError, match="no datagrams"):
        await carry_datagrams(link, Resolver(), idle=0.01, traffic=Traffic())


async def test_the_client_ends_it() -> None:
    link = ScriptedStream()
    await carry_datagrams(link, Resolver(), idle=60, traffic=Traffic())
    assert link.closed
