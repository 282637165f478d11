from __future__ import annotations

import asyncio
import time

from blinktun.errors import TransportError
from blinktun.testing.scripted import ScriptedStream
from blinktun.tunnel.refusals import Refusals


async def test_a_peer_is_kept_waiting_and_told_nothing() -> None:
    wire = ScriptedStream([b"noise"], ends=False)
    started = time.monotonic()
    await Refusals((0.05, 0.06)).refuse(wire)
    assert time.monotonic() - started >= 0.05
    assert wire.sent == b""
    assert wire.aborted


async def test_one_that_leaves_is_not_waited_for_but_closed() -> None:
    wire = ScriptedStream([b"noise", TransportError("reset")])
    await asyncio.wait_for(Refusals((60, 61)).refuse(wire), 5)
    assert wire.aborted


async def test_an_end_is_no_reason_to_answer_sooner() -> None:
    wire = ScriptedStream([b"noise"])
    started = time.monotonic()
    await Refusals((0.05, 0.06)).refuse(wire)
    assert time.monotonic() - started >= 0.05
