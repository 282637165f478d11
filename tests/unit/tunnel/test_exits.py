from __future__ import annotations

import time

import pytest
from tests.unit.tunnel.test_outbound import ScriptedDialer

from blinktun.address import Address
from blinktun.admission.access import Access
from blinktun.config.acl import parse_rules
from blinktun.errors import AccessDenied, RemoteError, TransportError
from blinktun.relay.relay import Traffic
from blinktun.testing.scripted import ScriptedStream
from blinktun.tunnel.exits import Exit

TARGET = Address("192.0.2.9", 80)


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
