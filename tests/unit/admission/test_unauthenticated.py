from __future__ import annotations

import asyncio
import resource
import time

import pytest

from blinktun.admission.unauthenticated import UnauthenticatedPeers, UnfinishedError
from blinktun.errors import RemoteError, TransportError
from blinktun.testing.scripted import ScriptedStream


def _unauthenticated(
    hold: float = 60, *, idle: float = 60, keeps: bool = True, limit: int = 10
) -> UnauthenticatedPeers:
    open_service = _no_service if keeps else None
    return UnauthenticatedPeers((hold, hold), idle=idle, open_service=open_service, limit=limit)


async def _no_service() -> None:
    return None


async def test_what_comes_is_kept_until_trust() -> None:
    peers = _unauthenticated()
    peer = peers.track(ScriptedStream([b"a", b"bc", b"d"]))
    assert (await peer.receive(), await peer.receive()) == (b"a", b"bc")
    assert len(peers) == 1
    assert peer.take_early() == b"abc"
    assert peer.take_early() == b""
    peer.trust()
    peer.trust()
    assert len(peers) == 0
    assert await peer.receive() == b"d"
    assert await peer.receive() == b""
    assert peer.take_early() == b""
    assert peer.peer == "script"


async def test_nothing_is_kept_for_nobody() -> None:
    peer = _unauthenticated(keeps=False).track(ScriptedStream([b"a"]))
    await peer.receive()
    assert peer.take_early() == b""


async def test_an_early_end_is_no_end() -> None:
    peer = _unauthenticated().track(ScriptedStream([b"a"]))
    await peer.receive()
    for each in (peer, _unauthenticated().track(ScriptedStream())):
        with pytest.raises(UnfinishedError, match="ended before"):
            await each.receive()


async def test_the_time_runs_from_the_first_byte() -> None:
    peer = _unauthenticated(0.05).track(ScriptedStream([b"a"], ends=False))
    await peer.receive()
    started = time.monotonic()
    with pytest.raises(UnfinishedError, match="in time"):
        await peer.receive()
    assert time.monotonic() - started >= 0.04
    assert peer.deadline <= asyncio.get_running_loop().time()


async def test_nothing_at_all() -> None:
    peer = _unauthenticated(idle=0.02).track(ScriptedStream(ends=False))
    with pytest.raises(TransportError, match=r"no I/O on the connection for 0\.02 s"):
        await peer.receive()


async def test_too_much() -> None:
    peer = _unauthenticated().track(ScriptedStream([bytes(100_000)] * 5))
    await peer.receive()
    await peer.receive()
    with pytest.raises(RemoteError, match="too much"):
        await peer.receive()
    assert len(peer.take_early()) == 200_000


async def test_sending_and_ends_pass_through() -> None:
    wire = ScriptedStream()
    peer = _unauthenticated().track(wire)
    await peer.send(b"x")
    await peer.send_eof()
    await peer.aclose()
    peer.abort()
    assert (wire.sent, wire.eof_sent, wire.closed, wire.aborted) == (b"x", True, True, True)
    assert peer.local is None


async def test_the_oldest_makes_room() -> None:
    peers = _unauthenticated(limit=2)
    wires = [ScriptedStream() for _ in range(4)]
    first, second = map(peers.track, wires[:2])
    first.trust()
    peers.track(wires[2])
    assert not any(wire.aborted for wire in wires)
    peers.track(wires[3])
    assert [wire.aborted for wire in wires] == [False, True, False, False]
    peers.forget(second)
    assert len(peers) == 2


async def test_few_descriptors_few_unauthenticated_peers() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    peers = UnauthenticatedPeers((1, 1), idle=1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (400, hard))
    few = UnauthenticatedPeers((1, 1), idle=1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wires = [ScriptedStream() for _ in range(101)]
    for wire in wires:
        few.track(wire)
        peers.track(wire)
    assert len(few) == 100
    assert len(peers) == 101
