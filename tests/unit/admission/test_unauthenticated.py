from __future__ import annotations

import asyncio
import resource
import time

import pytest

from blinktun.admission.unauthenticated import Strangers, UnfinishedError
from blinktun.errors import RemoteError, TransportError
from blinktun.testing.scripted import ScriptedStream


def _strangers(
    hold: float = 60, *, idle: float = 60, keeps: bool = True, limit: int = 10
) -> Strangers:
    return Strangers((hold, hold), idle=idle, keeps=keeps, limit=limit)


async def test_what_comes_is_kept_until_trust() -> None:
    strangers = _strangers()
    stranger = strangers.meet(ScriptedStream([b"a", b"bc", b"d"]))
    assert (await stranger.receive(), await stranger.receive()) == (b"a", b"bc")
    assert len(strangers) == 1
    assert stranger.take_early() == b"abc"
    assert stranger.take_early() == b""
    stranger.trust()
    stranger.trust()
    assert len(strangers) == 0
    assert await stranger.receive() == b"d"
    assert await stranger.receive() == b""
    assert stranger.take_early() == b""
    assert stranger.peer == "script"


async def test_nothing_is_kept_for_nobody() -> None:
    stranger = _strangers(keeps=False).meet(ScriptedStream([b"a"]))
    await stranger.receive()
    assert stranger.take_early() == b""


async def test_an_early_end_is_no_end() -> None:
    stranger = _strangers().meet(ScriptedStream([b"a"]))
    await stranger.receive()
    for peer in (stranger, _strangers().meet(ScriptedStream())):
        with pytest.raises(UnfinishedError, match="ended before"):
            await peer.receive()


async def test_the_time_runs_from_the_first_byte() -> None:
    stranger = _strangers(0.05).meet(ScriptedStream([b"a"], ends=False))
    await stranger.receive()
    started = time.monotonic()
    with pytest.raises(UnfinishedError, match="in time"):
        await stranger.receive()
    assert time.monotonic() - started >= 0.04
    assert stranger.deadline <= asyncio.get_running_loop().time()


async def test_nothing_at_all() -> None:
    stranger = _strangers(idle=0.02).meet(ScriptedStream(ends=False))
    with pytest.raises(TransportError, match=r"no I/O on the connection for 0\.02 s"):
        await stranger.receive()


async def test_too_much() -> None:
    stranger = _strangers().meet(ScriptedStream([bytes(100_000)] * 5))
    await stranger.receive()
    await stranger.receive()
    with pytest.raises(RemoteError, match="too much"):
        await stranger.receive()
    assert len(stranger.take_early()) == 200_000


async def test_sending_and_ends_pass_through() -> None:
    wire = ScriptedStream()
    stranger = _strangers().meet(wire)
    await stranger.send(b"x")
    await stranger.send_eof()
    await stranger.aclose()
    stranger.abort()
    assert (wire.sent, wire.eof_sent, wire.closed, wire.aborted) == (b"x", True, True, True)
    assert stranger.local is None


async def test_the_oldest_makes_room() -> None:
    strangers = _strangers(limit=2)
    wires = [ScriptedStream() for _ in range(4)]
    first, second = map(strangers.meet, wires[:2])
    first.trust()
    strangers.meet(wires[2])
    assert not any(wire.aborted for wire in wires)
    strangers.meet(wires[3])
    assert [wire.aborted for wire in wires] == [False, True, False, False]
    strangers.forget(second)
    assert len(strangers) == 2


def test_few_descriptors_few_strangers() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    strangers = Strangers((1, 1), idle=1, keeps=False)
    resource.setrlimit(resource.RLIMIT_NOFILE, (400, hard))
    few = Strangers((1, 1), idle=1, keeps=False)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wires = [ScriptedStream() for _ in range(101)]
    for wire in wires:
        few.meet(wire)
        strangers.meet(wire)
    assert len(few) == 100
    assert len(strangers) == 101
