from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
import warnings
from typing import TYPE_CHECKING, cast

import pytest
import uvloop
from tests.unit.kcp.support import (
    ANY_PORT,
    SETTINGS,
    crash,
    echo,
    listening,
    open_descriptors,
    peers,
)
from tests.unit.waiting import PATIENCE, until

from blinktun import kcp
from blinktun._core import SessionFecMismatch
from blinktun.config.model import KcpSettings
from blinktun.errors import TransportError
from blinktun.kcp import driver as module

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun._core import Event

both_loops = pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


_SNMP = (
    *("bytes_sent", "bytes_received", "max_conn", "active_opens", "passive_opens", "curr_estab"),
    *("in_errs", "in_csum_errors", "kcp_in_errors", "in_pkts", "out_pkts", "in_segs", "out_segs"),
    *("in_bytes", "out_bytes", "retrans_segs", "fast_retrans_segs", "early_retrans_segs"),
    *("lost_segs", "repeat_segs", "fec_full_shards", "fec_parity_shards", "fec_errs"),
    *("fec_recovered", "fec_shard_set", "fec_shard_min", "ring_buffer_snd_queue"),
    *("ring_buffer_rcv_queue", "ring_buffer_snd_buffer", "oob_packets"),
)
"""The columns of kcptun's table (kcptun wire, 9.2), in their order."""
_OURS = (
    "spurious_retrans_segs",
    "replays",
    "half_open",
    "openings_dropped",
    "strays",
    "moves",
    "out_errs",
    "memory_held",
    "memory_promised",
)


async def test_the_counters_are_those_of_the_snmp_table_and_some_of_our_own() -> None:
    counters = kcp.Driver.current().core.stats()
    assert tuple(name for name in counters if name in _SNMP) == _SNMP
    assert set(counters) - set(_SNMP) == set(_OURS)


async def test_memory_comes_back_with_its_session() -> None:
    core = kcp.Driver.current().core
    core.limit_memory(8_000_000)
    async with peers(KcpSettings(key="k")) as both:
        await both.stream()
        assert 0 < core.stats()["memory_promised"] <= 8_000_000
    await until(lambda: core.stats()["memory_promised"] == 0)
    assert core.stats()["memory_held"] == 0


async def test_the_most_sessions_at_once_are_not_the_sum_of_what_each_socket_had() -> None:
    core = kcp.Driver.current().core
    for _ in range(3):
        async with peers() as both:
            await both.stream()
            assert core.stats()["curr_estab"] == 2
        await until(lambda: core.stats()["curr_estab"] == 0)
    counters = core.stats()
    assert (counters["active_opens"], counters["passive_opens"]) == (3, 3)
    assert counters["max_conn"] == 2


async def test_deadlines_that_the_descriptor_does_not_tell_have_a_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Core:
        """A reactor of a system without `timerfd`; its descriptor is never readable."""

        def __init__(self) -> None:
            self.turns = 0
            self._sockets = socket.socketpair()

        def fileno(self) -> int:
            return self._sockets[0].fileno()

        def turn(self) -> list[Event]:
            self.turns += 1
            return []

        def next_timeout(self) -> float:
            return 0.001

        def close(self) -> None:
            for end in self._sockets:
                end.close()

    monkeypatch.setattr(module, "Reactor", Core)
    driver = module.Driver(asyncio.get_running_loop())
    core = cast("Core", driver.core)
    driver.wake()
    await until(lambda: core.turns >= 3)
    driver.close()
    core.close()


async def test_an_event_loop_has_one_driver() -> None:
    assert kcp.Driver.current() is kcp.Driver.current()


async def test_a_fec_mismatch_goes_to_its_session() -> None:
    told: list[tuple[kcp.Session, tuple[int, int] | None]] = []
    async with peers() as both:
        driver = kcp.Driver.current()
        event = SessionFecMismatch
        driver._dispatch(event(both.near.key, (4, 2)))  # nobody listens
        both.near.on_mismatch = lambda session, theirs: told.append((session, theirs))
        driver._dispatch(event(both.near.key, (4, 2)))
        driver._dispatch(event(both.near.key, None))
        driver._dispatch(event((99, 99), (4, 2)))  # ended meanwhile
        assert told == [(both.near, (4, 2)), (both.near, None)]


async def test_the_bug_of_one_owner_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with peers() as both:
        near, far = await both.stream()
        other, other_far = await both.stream()

        def fail() -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(far, "on_change", fail)
        # Both arrive within one turn, the faulty owner's first.
        await near.write(b"for the faulty one")
        await other.write(b"for the other one")
        assert await other_far.read() == b"for the other one"
    (bug,) = [record for record in caplog.records if record.exc_info]
    assert bug.levelno == logging.ERROR
    assert "StreamReadable" in bug.message
    assert bug.exc_info
    assert bug.exc_info[0] is ZeroDivisionError


async def test_events_of_those_that_are_gone_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async with peers() as both:
        near, far = await both.stream()
        crash(both.server)
        await near.write(b"to nobody")
        near.abort()
        await until(lambda: far.is_finished)
        both.near.close()
    assert not [record for record in caplog.records if record.exc_info]


async def test_next_turn_ends_with_the_driver() -> None:
    driver = kcp.Driver(asyncio.get_running_loop())
    waiting = asyncio.create_task(driver.next_turn())
    await asyncio.sleep(0)
    driver.close()
    driver.close()
    async with asyncio.timeout(PATIENCE):
        await waiting
        await driver.next_turn()
    driver.wake()


# --- the life of a driver is that of its loop; these tests bring their own loops ------------------


async def _talk() -> None:
    async with (
        await kcp.serve(echo, ANY_PORT, SETTINGS) as server,
        await kcp.connect(server.address, SETTINGS) as session,
        session.open_stream() as stream,
    ):
        await stream.write(b"x")
        assert await stream.read() == b"x"


async def _leave_everything_open() -> tuple[kcp.Server, kcp.Session, kcp.Stream]:
    opened: asyncio.Queue[kcp.Stream] = asyncio.Queue()
    server = listening(opened, ANY_PORT)
    session = await kcp.connect(server.address, SETTINGS)
    stream = session.open_stream()
    await stream.write(b"x")
    assert await (await opened.get()).read() == b"x"
    return server, session, stream


@pytest.fixture
def no_leak(caplog: pytest.LogCaptureFixture) -> Callable[[], None]:
    """Call it to see that drivers, descriptors and the log are as at the start of the test."""
    gc.collect()
    before = open_descriptors(), len(module._drivers)

    def check() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            gc.collect()
        assert (open_descriptors(), len(module._drivers)) == before
        assert not [record for record in caplog.records if record.exc_info]

    return check


@both_loops
def test_loops_one_after_the_other(
    new_loop: Callable[[], asyncio.AbstractEventLoop], no_leak: Callable[[], None]
) -> None:
    for _ in range(3):
        with asyncio.Runner(loop_factory=new_loop, debug=True) as runner:
            runner.run(_talk())
    no_leak()


@both_loops
def test_the_end_of_a_loop_ends_what_was_left_open(
    new_loop: Callable[[], asyncio.AbstractEventLoop], no_leak: Callable[[], None]
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        server, session, stream = runner.run(_leave_everything_open())
    assert session.is_closed
    assert not server.sessions
    assert stream.is_finished
    # Too late, and harmless.
    stream.abort()
    session.close()
    with pytest.raises(TransportError):
        session.open_stream()
    del server, session, stream
    no_leak()


@both_loops
def test_a_loop_that_is_only_closed_is_cleaned_up_by_the_next(
    new_loop: Callable[[], asyncio.AbstractEventLoop], no_leak: Callable[[], None]
) -> None:
    loop = new_loop()
    left = loop.run_until_complete(_leave_everything_open())
    loop.close()
    del loop
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_talk())
    del left
    no_leak()


def test_the_closed_set_of_events_is_handled(capsys: pytest.CaptureFixture[str]) -> None:
    stranger: Event = object()  # type: ignore[assignment]

    async def main() -> None:
        with pytest.raises(AssertionError):
            kcp.Driver.current()._dispatch(stranger)

    asyncio.run(main())
    assert not capsys.readouterr().err
    assert sys.exception() is None
