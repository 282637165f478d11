"""What sources without the key get: the service's answers, and never much more than they sent."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.net.resolve import Resolver
from blinktun.net.udp import Route
from blinktun.testing.loopback import answering
from blinktun.tunnel import udp_fallback
from blinktun.tunnel.udp_fallback import UdpFallback

Replies = asyncio.Queue[tuple[bytes, Route]]


def route(number: int = 1) -> Route:
    return Route(Address(f"192.0.2.{number}", 1000), "127.0.0.1")


@pytest.fixture
def replies() -> Replies:
    return asyncio.Queue()


async def test_the_service_answers(replies: Replies) -> None:
    async with answering(bytes.upper) as service:
        fallback = UdpFallback(service, Resolver(), lambda *got: replies.put_nowait(got))
        for number in (1, 2, 1):
            fallback.receive(b"who is there", route(number))
            assert await asyncio.wait_for(replies.get(), 10) == (b"WHO IS THERE", route(number))
        fallback.close()


async def test_a_source_gets_three_times_what_it_sent(replies: Replies) -> None:
    seen: list[bytes] = []

    def answer(data: bytes) -> bytes:
        seen.append(data)
        return bytes(120)

    async with answering(answer) as service:
        fallback = UdpFallback(service, Resolver(), lambda *got: replies.put_nowait(got))
        fallback.receive(b"x", route())
        await until(lambda: seen == [b"x"])
        fallback.receive(bytes(39), route())  # together 40 bytes: 120 may leave
        assert await asyncio.wait_for(replies.get(), 10) == (bytes(120), route())
        fallback.receive(bytes(39), route())
        await until(lambda: len(seen) == 3)
        fallback.receive(b"x", route())
        assert await asyncio.wait_for(replies.get(), 10) == (bytes(120), route())
        assert replies.empty()
        fallback.close()


async def test_a_flood_of_sources_is_bounded(replies: Replies) -> None:
    made = 0

    class CountedExit:
        def __init__(self, *_arguments: object) -> None:
            nonlocal made
            made += 1

        def send(self, *_arguments: object) -> None:
            pass

        def close(self) -> None:
            pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(udp_fallback, "UdpExit", CountedExit)
        now = 100.0
        fallback = UdpFallback(
            Address("127.0.0.1", 9),
            Resolver(),
            lambda *got: replies.put_nowait(got),
            clock=lambda: now,
        )
        for number in range(5000):
            fallback.receive(b"noise", Route(Address("192.0.2.1", 1 + number), ""))
        assert made <= 102
        now += 1.0
        for number in range(5000):
            fallback.receive(b"noise", Route(Address("192.0.2.2", 1 + number), ""))
        assert made <= 203
        fallback.close()


async def test_a_source_that_shows_the_key_is_forgotten(replies: Replies) -> None:
    async with answering(bytes.upper) as service:
        fallback = UdpFallback(service, Resolver(), lambda *got: replies.put_nowait(got))
        fallback.receive(b"one", route())
        assert (await asyncio.wait_for(replies.get(), 10))[0] == b"ONE"
        fallback.forget(route())
        fallback.forget(route())
        fallback.receive(b"two", route())
        assert (await asyncio.wait_for(replies.get(), 10))[0] == b"TWO"
        fallback.close()
