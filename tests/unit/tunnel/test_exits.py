from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.unit.tunnel.test_outbound import ScriptedDialer
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.admission.access import Access
from blinktun.config.acl import parse_rules
from blinktun.config.model import BlinksocksServer, ServerLink
from blinktun.errors import AccessDenied, RemoteError, TransportError
from blinktun.net.limits import DIALS_PER_SOURCE, share_for_unauthenticated
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.mux_frames import pack_close, pack_new
from blinktun.presets.registry import PipelineMaker
from blinktun.relay.relay import Traffic
from blinktun.testing.loopback import ANY_PORT, DEFAULT_PRESETS
from blinktun.testing.pair import forwarded
from blinktun.testing.scripted import ScriptedStream
from blinktun.transports.base import Dialer
from blinktun.transports.tcp import TcpDialer
from blinktun.tunnel.blinksocks_server import BlinksocksServerRole
from blinktun.tunnel.exits import Exit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blinktun.transports.base import Stream

TARGET = Address("192.0.2.9", 80)
LIMIT = min(DIALS_PER_SOURCE, share_for_unauthenticated())


async def test_bytes_both_ways_and_both_closed() -> None:
    link, target = ScriptedStream([b"up"]), ScriptedStream([b"down"])
    dialer, traffic = ScriptedDialer(target), Traffic()
    await Exit(dialer, Access(None), idle=5).carry(link, TARGET, traffic)
    assert dialer.asked == [TARGET]
    assert (target.sent, link.sent) == (b"up", b"down")
    assert (traffic.up, traffic.down) == (2, 4)
    assert link.closed
    assert target.closed


async def test_no_target() -> None:
    link = ScriptedStream([b"up"])
    with pytest.raises(TransportError, match="refused"):
        await Exit(ScriptedDialer(None), Access(None), idle=5).carry(link, TARGET, Traffic())


async def test_a_broken_protocol_leaves_the_link_to_its_owner() -> None:
    link, target = ScriptedStream([RemoteError("bad tag")]), ScriptedStream(ends=False)
    with pytest.raises(RemoteError):
        await Exit(ScriptedDialer(target), Access(None), idle=5).carry(link, TARGET, Traffic())
    assert target.aborted
    assert not link.aborted


async def test_silence() -> None:
    link, target = ScriptedStream(ends=False), ScriptedStream(ends=False)
    with pytest.raises(TransportError, match="no I/O"):
        await Exit(ScriptedDialer(target), Access(None), idle=0.01).carry(link, TARGET, Traffic())
    assert target.aborted
    assert link.aborted


async def test_a_banned_target_is_not_asked() -> None:
    link, dialer = ScriptedStream([b"up"]), ScriptedDialer(ScriptedStream())
    access = Access(parse_rules("192.0.2.0/24:80 1")[0])
    with pytest.raises(AccessDenied, match=r'banned by rule: "192\.0\.2\.0/24:80 1"'):
        await Exit(dialer, access, idle=5).carry(link, TARGET, Traffic())
    assert dialer.asked == []
    assert link.sent == b""


async def test_limits_hold_for_each_direction() -> None:
    link, target = ScriptedStream([bytes(400)]), ScriptedStream([bytes(300)])
    access = Access(parse_rules("192.0.2.9 0 1k 100m")[0])
    started = time.monotonic()
    await Exit(ScriptedDialer(target), access, idle=5).carry(link, TARGET, Traffic())
    assert (len(target.sent), len(link.sent)) == (400, 300)
    assert time.monotonic() - started >= 400 / 1024 - 0.11


class Unanswered(Dialer):
    """Targets that do not answer.

    Attributes:
        waiting: How many dials go on.
    """

    def __init__(self) -> None:
        self.waiting = 0
        self.begun = 0

    async def connect(self, address: Address) -> Stream:
        self.waiting += 1
        self.begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.waiting -= 1
        raise AssertionError(address)


@asynccontextmanager
async def _server(dialer: Dialer, *, mux: bool) -> AsyncIterator[Address]:
    link = ServerLink("tcp", ANY_PORT, "secret", DEFAULT_PRESETS, mux=mux)
    role = BlinksocksServerRole(BlinksocksServer(link, 60), dialer=dialer)
    await role.start()
    try:
        yield role.addresses[0]
    finally:
        await role.stop()


async def test_what_a_client_takes_back_is_not_dialled_on() -> None:
    dialer = Unanswered()
    async with _server(dialer, mux=False) as server:
        streams = [await TcpDialer().connect(server) for _ in range(20)]
        for stream in streams:
            pipeline = PipelineMaker(DEFAULT_PRESETS)(PresetContext(Role.CLIENT, "secret"))
            pipeline.set_target(TARGET)
            await stream.send(forwarded(pipeline.encode(b"hello")))
        await until(lambda: dialer.waiting == 20)
        for stream in streams:
            stream.abort()
        await until(lambda: dialer.waiting == 0)


async def test_what_a_shared_connection_takes_back_is_not_dialled_on() -> None:
    """22 bytes each, opened and closed: as many dials as there may be, then none."""
    dialer = Unanswered()
    async with _server(dialer, mux=True) as server:
        pipeline = PipelineMaker(DEFAULT_PRESETS).for_mux(PresetContext(Role.CLIENT, "secret"))
        stream = await TcpDialer().connect(server)
        cids = [number.to_bytes(4, "big") for number in range(6000)]
        opened = b"".join(pack_new(cid, TARGET) for cid in cids)
        await stream.send(forwarded(pipeline.encode(opened)))
        await until(lambda: dialer.waiting == LIMIT)
        closed = b"".join(map(pack_close, cids))
        await stream.send(forwarded(pipeline.encode(closed)))
        await until(lambda: dialer.waiting == 0)
        pairs = b"".join(pack_new(cid, TARGET) + pack_close(cid) for cid in cids)
        await stream.send(forwarded(pipeline.encode(pairs)))
        await until(lambda: dialer.begun > LIMIT)
        await until(lambda: dialer.waiting == 0)
        await stream.send(forwarded(pipeline.encode(pack_new(b"more", TARGET))))
        await until(lambda: dialer.waiting == 1)
        stream.abort()
        await until(lambda: dialer.waiting == 0)


async def test_one_source_dials_so_much_at_once() -> None:
    dialer = Unanswered()
    exit_ = Exit(dialer, Access(None), idle=5)
    links = [ScriptedStream(ends=False) for _ in range(LIMIT)]
    dials = [asyncio.ensure_future(exit_.carry(link, TARGET, Traffic())) for link in links]
    await until(lambda: dialer.waiting == LIMIT)
    with pytest.raises(TransportError, match="too many dials at once"):
        await exit_.carry(ScriptedStream(ends=False), TARGET, Traffic())
    for dial in dials:
        dial.cancel()
    await asyncio.gather(*dials, return_exceptions=True)
    assert dialer.waiting == 0
