from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.config.model import PresetSpec, ServerLink
from blinktun.errors import TransportError
from blinktun.presets.registry import PipelineMaker
from blinktun.testing.duplex import DuplexStream
from blinktun.transports.base import Dialer, Stream
from blinktun.tunnel.mux_pool import MuxOutbound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVER = Address("192.0.2.1", 7000)
TARGET = Address("192.0.2.9", 80)


class DuplexDialer(Dialer):
    def __init__(self) -> None:
        self.far: list[DuplexStream] = []
        self.refuses = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def connect(self, address: Address) -> Stream:
        await asyncio.sleep(0)
        await self.may_answer.wait()
        if self.refuses:
            raise TransportError("refused", peer=str(address))
        near, far = DuplexStream.pair()
        self.far.append(far)
        return near


@asynccontextmanager
async def _outbound(concurrency: int = 3) -> AsyncIterator[tuple[MuxOutbound, DuplexDialer]]:
    dialer = DuplexDialer()
    link = ServerLink(
        "tcp", SERVER, "secret", (PresetSpec("ss-base"),), mux=True, mux_concurrency=concurrency
    )
    outbound = MuxOutbound(link, PipelineMaker(link.presets), dialer, idle=60)
    try:
        yield outbound, dialer
    finally:
        await outbound.aclose()


async def test_no_more_connections_than_allowed() -> None:
    async with _outbound() as (outbound, dialer):
        streams = [await outbound.open(TARGET) for _ in range(10)]
        assert len(dialer.far) == 3
        for stream in streams:
            await stream.send(b"x")
        received = [len(await far.receive()) for far in dialer.far]
        assert min(received) > 0


async def test_many_at_once() -> None:
    async with _outbound() as (outbound, dialer):
        streams = await asyncio.gather(*(outbound.open(TARGET) for _ in range(10)))
        assert len(streams) == 10
        assert len(dialer.far) == 3


async def test_an_unused_connection_is_used_again() -> None:
    async with _outbound() as (outbound, dialer):
        for _ in range(4):
            await (await outbound.open(TARGET)).aclose()
        assert len(dialer.far) == 1


async def test_a_lost_connection_is_replaced() -> None:
    async with _outbound(1) as (outbound, dialer):
        stream = await outbound.open(TARGET)
        dialer.far[0].abort()
        with pytest.raises(TransportError):
            await stream.receive()
        await outbound.open(TARGET)
        assert len(dialer.far) == 2


async def test_no_server() -> None:
    async with _outbound() as (outbound, dialer):
        dialer.refuses = True
        with pytest.raises(TransportError, match="refused"):
            await outbound.open(TARGET)
        dialer.refuses = False
        await outbound.open(TARGET)
        dialer.refuses = True
        await outbound.open(TARGET)  # on the one that there is
        assert len(dialer.far) == 1


async def test_a_failure_that_nobody_waits_for_any_more_is_no_bug() -> None:
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, told: reported.append(told))
    async with _outbound() as (outbound, dialer):
        dialer.refuses = True
        dialer.may_answer.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await outbound.open(TARGET)
        dialer.may_answer.set()
        await until(lambda: not outbound._dials)
    gc.collect()
    assert not reported
