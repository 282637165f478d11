from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref

import pytest
from tests.unit.waiting import until

from blinktun.errors import RemoteError, TransportError
from blinktun.relay import relay as room
from blinktun.relay.relay import Traffic, linger, relay
from blinktun.testing.scripted import ScriptedStream


async def test_both_directions_and_their_ends() -> None:
    near, far = ScriptedStream([b"a", b"bc"]), ScriptedStream([b"1234"])
    traffic = Traffic()
    await relay(near, far, idle=5, traffic=traffic)
    assert (far.sent, near.sent) == (b"abc", b"1234")
    assert (traffic.up, traffic.down) == (3, 4)
    assert near.eof_sent
    assert far.eof_sent
    assert not near.aborted
    assert not far.aborted


async def test_one_end_leaves_the_other_direction_running() -> None:
    near, far = ScriptedStream([b"a"]), ScriptedStream([b"1"], ends=False)
    task = asyncio.create_task(relay(near, far, idle=5, traffic=Traffic()))
    await until(lambda: far.eof_sent)
    assert not near.eof_sent
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_patience_with_the_near_side() -> None:
    near, far = ScriptedStream([b"a"], ends=False), ScriptedStream([b"1"])
    async with asyncio.timeout(5):
        await relay(near, far, idle=60, traffic=Traffic(), patience=0.02)
    assert (far.sent, near.sent) == (b"a", b"1")
    assert near.eof_sent
    assert not near.aborted


async def test_patience_does_not_hide_failures() -> None:
    near, far = ScriptedStream([TransportError("reset")]), ScriptedStream(ends=False)
    with pytest.raises(TransportError, match="reset"):
        await relay(near, far, idle=60, traffic=Traffic(), patience=0.02)
    assert far.aborted


@pytest.mark.parametrize("failing", ["near", "far"])
async def test_a_failure_aborts_both(failing: str) -> None:
    broken = ScriptedStream([b"x", TransportError("reset")])
    sound = ScriptedStream(ends=False)
    near, far = (broken, sound) if failing == "near" else (sound, broken)
    traffic = Traffic()
    with pytest.raises(TransportError, match="reset"):
        await relay(near, far, idle=5, traffic=traffic)
    assert near.aborted
    assert far.aborted
    assert traffic.up + traffic.down == 1


async def test_a_failed_relay_leaves_nothing_to_be_found() -> None:
    near, far = ScriptedStream(ends=False), ScriptedStream(ends=False)
    found = weakref.ref(far)
    gc.disable()  # or a cycle would be found in time
    try:
        with contextlib.suppress(TransportError):
            await relay(near, far, idle=0.02, traffic=Traffic())
        del near, far
        await until(lambda: found() is None)  # the event loop keeps what it called last
    finally:
        gc.enable()


async def test_a_broken_protocol_is_for_the_owner() -> None:
    near, far = ScriptedStream([RemoteError("bad tag")]), ScriptedStream(ends=False)
    with pytest.raises(RemoteError):
        await relay(near, far, idle=5, traffic=Traffic())
    assert not near.aborted
    assert not far.aborted


async def test_silence_ends_it() -> None:
    near, far = ScriptedStream(ends=False), ScriptedStream([b"x"])
    with pytest.raises(TransportError, match=r"no I/O on the connection for 0\.05 s"):
        await relay(near, far, idle=0.05, traffic=Traffic())
    assert near.aborted
    assert far.aborted


async def test_linger_reads_on_and_closes() -> None:
    stream = ScriptedStream([b"x", b"y"])
    await linger(stream)
    assert stream.eof_sent
    assert stream.closed


@pytest.mark.parametrize(
    "stream", [ScriptedStream(ends=False), ScriptedStream([TransportError("")])]
)
async def test_linger_is_bounded(stream: ScriptedStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_LINGER", 0.02)
    await linger(stream)
    assert stream.closed
