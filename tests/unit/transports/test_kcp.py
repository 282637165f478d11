from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.transports.ends import link_over, listening
from tests.unit.waiting import until

from blinktun import StreamClass
from blinktun.address import Address
from blinktun.config.model import KcpLink, KcpSettings, ServerLink
from blinktun.errors import ConfigError, TransportError
from blinktun.net.resolve import Resolver
from blinktun.testing.loopback import read_exactly
from blinktun.transports import kcp
from blinktun.transports.registry import find_transport

if TYPE_CHECKING:
    from blinktun.transports.base import Stream


async def test_streams_share_a_session() -> None:
    async with listening(link_over("kcp")) as (listener, accepted):
        dialer = kcp.dialer(link_over("kcp"), Resolver())
        near: list[Stream] = [await dialer.connect(listener.addresses[0]) for _ in range(10)]
        for number, stream in enumerate(near):
            await stream.send(bytes((number,)))
        far = [await accepted.next() for _ in near]
        assert len({stream.peer.partition("(")[0] for stream in far}) == 1
        assert len({stream.peer for stream in far}) == 10
        for stream in (*near, *far):
            stream.abort()
        await dialer.aclose()


async def test_after_its_end_a_listener_takes_nothing_and_keeps_what_it_has() -> None:
    async with listening(link_over("kcp")) as (listener, accepted):
        dialer = kcp.dialer(link_over("kcp"), Resolver())
        near = await dialer.connect(listener.addresses[0])
        await near.send(b"a")
        far = await accepted.next()
        await listener.aclose()
        await far.send(b"still here")
        assert await read_exactly(near, 10) == b"still here"
        late = await dialer.connect(listener.addresses[0])
        await late.send(b"x")
        async with asyncio.timeout(10):
            with pytest.raises(TransportError):
                await late.receive()
        assert accepted.waiting == 0
        near.abort()
        await dialer.aclose()


def test_settings_that_cannot_work() -> None:
    wrong = KcpLink(KcpSettings(datashard=200, parityshard=200))
    link = ServerLink("kcp", Address("h", 1), "key", kcp=wrong)
    with pytest.raises(ConfigError, match="datashard"):
        find_transport(link).dialer(link, Resolver())


async def test_a_stream_waits_for_a_session_for_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def connect(*_args: object, **_named: object) -> None:
        raise TransportError("cannot resolve")

    monkeypatch.setattr(kcp, "DIAL_TIMEOUT", 0.01)
    monkeypatch.setattr("blinktun.kcp.api.connect", connect)
    dialer = kcp.dialer(link_over("kcp"), Resolver())
    with pytest.raises(TransportError, match="no session within"):
        async with asyncio.timeout(5):
            await dialer.connect(Address("gone.example", 1))
    await dialer.aclose()


async def test_streams_have_the_class_of_their_link_or_that_of_their_target() -> None:
    link = replace(
        link_over("kcp"), kcp=KcpLink(KcpSettings(key="k"), stream_class=StreamClass.BULK)
    )
    async with listening(link) as (listener, accepted):
        dialer = kcp.dialer(link, Resolver())
        where = listener.addresses[0]
        near: list[Stream] = [await dialer.connect(where)]
        near.append(await dialer.connect_interactive(where))
        for stream in near:
            await stream.send(b"x")
        far = [await accepted.next() for _ in near]

        def classes() -> set[StreamClass]:
            streams = [stream for stream in far if isinstance(stream, kcp.KcpStream)]
            return {stream._stream.class_ for stream in streams}

        await until(lambda: classes() == {StreamClass.BULK, StreamClass.INTERACTIVE})
        for stream in (*near, *far):
            stream.abort()
        await dialer.aclose()
