from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from tests.unit.tunnel.test_outbound import ScriptedDialer
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.admission.redirect import Fallback
from blinktun.admission.unauthenticated import UnauthenticatedPeers
from blinktun.errors import RemoteError, TransportError
from blinktun.testing.scripted import ScriptedStream

if TYPE_CHECKING:
    from blinktun.admission.unauthenticated import UnauthenticatedPeer
    from blinktun.transports.base import Stream

ELSEWHERE = Address("192.0.2.7", 80)
_HELD = 0.045
"""Seconds that a hold of 0.05 takes at least: uvloop's clock counts whole milliseconds."""


def _peer(wire: Stream, hold: float = 0.05, *, keeps: bool = False) -> UnauthenticatedPeer:
    open_service = _no_service if keeps else None
    return UnauthenticatedPeers((hold, hold), idle=60, open_service=open_service).track(wire)


async def _no_service() -> None:
    return None


def _fallback(
    hold: float = 0.05, target: Stream | None = None, redirect: Address | None = None
) -> Fallback:
    return Fallback((hold, hold), redirect, ScriptedDialer(target), idle=5)


async def test_a_peer_is_kept_waiting_and_told_nothing() -> None:
    wire = ScriptedStream([b"noise", b"more"], ends=False)
    peer = _peer(wire)
    started = time.monotonic()
    await peer.receive()
    await _fallback().take(peer)
    assert time.monotonic() - started >= _HELD
    assert wire.sent == b""
    assert wire.aborted


async def test_one_that_leaves_is_not_waited_for_but_closed() -> None:
    wire = ScriptedStream([b"noise", TransportError("reset")])
    await asyncio.wait_for(_fallback(60).take(_peer(wire, 60)), 5)
    assert wire.aborted


async def test_an_end_is_no_reason_to_answer_sooner() -> None:
    wire = ScriptedStream([b"noise"])
    started = time.monotonic()
    await _fallback().take(_peer(wire))
    assert time.monotonic() - started >= _HELD
    assert wire.aborted


async def test_the_wait_is_counted_from_the_first_byte() -> None:
    wire = ScriptedStream([b"noise"], ends=False)
    peer = _peer(wire, 0.2)
    started = time.monotonic()
    await peer.receive()
    await asyncio.sleep(0.15)
    await _fallback(60).take(peer)
    assert 0.19 <= time.monotonic() - started < 5
    assert wire.aborted


async def test_who_was_trusted_waits_from_now_on_and_is_not_redirected() -> None:
    wire, target = ScriptedStream([b"x"], ends=False), ScriptedStream()
    peer = _peer(wire, 60, keeps=True)
    peer.trust()
    await _fallback(0.05, target, ELSEWHERE).take(peer)
    assert wire.aborted
    assert target.sent == b""


async def test_another_service_answers_all_of_it() -> None:
    wire, target = ScriptedStream([b"GET ", b"/ HT", b"TP"]), ScriptedStream([b"200 ", b"OK"])
    peer = _peer(wire, 60, keeps=True)
    await peer.receive()
    await peer.receive()
    await _fallback(60, target, ELSEWHERE).take(peer)
    assert target.sent == b"GET / HTTP"
    assert target.eof_sent
    assert wire.sent == b"200 OK"
    assert wire.eof_sent
    assert wire.closed
    assert target.closed


async def test_another_service_that_breaks_off() -> None:
    wire, target = ScriptedStream([b"x"], ends=False), ScriptedStream([TransportError("reset")])
    await _fallback(60, target, ELSEWHERE).take(_peer(wire, 60, keeps=True))
    assert wire.aborted
    assert target.aborted


async def test_another_service_that_is_not_there() -> None:
    wire = ScriptedStream([b"x"], ends=False)
    peer = _peer(wire, keeps=True)
    await _fallback(60, None, ELSEWHERE).take(peer)
    assert wire.sent == b""
    assert wire.aborted


async def test_a_stopped_server_closes_both() -> None:
    wire, target = ScriptedStream([b"x"], ends=False), ScriptedStream(ends=False)
    fallback = _fallback(60, target, ELSEWHERE)
    task = asyncio.create_task(fallback.take(_peer(wire, 60, keeps=True)))
    await until(lambda: target.sent)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert wire.aborted
    assert target.aborted


async def test_a_flood_is_read_up_to_a_bound() -> None:
    wire = ScriptedStream([bytes(1 << 18)] * 10, ends=False)
    peer = _peer(wire)
    await peer.receive()
    with pytest.raises(RemoteError):
        await peer.receive()
    await _fallback().take(peer)
    assert wire.aborted
    assert await wire.receive()  # the rest was left where it was
