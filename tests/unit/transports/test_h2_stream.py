from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.unit.transports.ends import BIG, connected

from blinktun.errors import TransportError
from blinktun.testing.loopback import read_all
from blinktun.transports import h2_stream

if TYPE_CHECKING:
    from blinktun.transports.base import Stream


async def test_closing_is_an_end_and_not_an_abort() -> None:
    async with connected("h2") as (near, far):
        await near.send(BIG[:300_000])
        await near.aclose()
        near.abort()  # owners do so behind every connection
        assert await read_all(far) == BIG[:300_000]
        with pytest.raises(TransportError):
            await far.send(b"x")
        await far.send_eof()
        await far.aclose()


async def test_nothing_can_be_sent_behind_the_end() -> None:
    async with connected("h2") as (near, _far):
        await near.send_eof()
        with pytest.raises(TransportError, match="has ended"):
            await near.send(b"x")


async def test_a_cancelled_close_aborts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(h2_stream, "_FLUSH_TIMEOUT", 60)
    async with connected("h2") as (near, far):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_send_for_ever(near), 0.2)
        closing = asyncio.create_task(near.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        assert len(await far.receive()) > 0


async def _send_for_ever(stream: Stream) -> None:
    while True:
        await stream.send(BIG)
