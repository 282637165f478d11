from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.config.model import KcpLink, KcpSettings, PortRange
from blinktun.errors import TransportError
from blinktun.kcp import api
from blinktun.kcp import pool as room
from blinktun.kcp.pool import SessionPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from blinktun import kcp


class FakeSession:
    """What the pool sees of a session."""

    def __init__(self, where: Address) -> None:
        self.peer = str(where)
        self.born = asyncio.get_running_loop().time()
        self.silent = False
        self.heard = True
        self.is_closed = False
        self.is_idle = True
        self.streams = 0
        self.flows = 0
        self.smux_version = 1
        self.alternatives = 0
        self.local = Address("127.0.0.1", 1)
        self.on_silence: Callable[[kcp.Session], None] | None = None
        self.on_wake: Callable[[kcp.Session, float], None] | None = None
        self.follows = True
        self.hops: list[int] = []

    def hop(self, port: int) -> bool:
        self.hops.append(port)
        return self.follows

    def stats(self) -> SimpleNamespace:
        return SimpleNamespace(rtt=0.1)

    async def aclose(self) -> None:
        self.is_closed = True

    def close(self) -> None:
        self.is_closed = True

    def end_flows(self, reason: str) -> None:
        assert "stopped answering" in reason
        self.flows = 0

    def age(self, seconds: float) -> None:
        self.born -= seconds

    def fall_silent(self, *, heard: bool) -> None:
        self.silent, self.heard = True, heard
        assert self.on_silence
        self.on_silence(cast("kcp.Session", self))


class Network:
    """Counts what is dialled.

    Attributes:
        dialled: The sessions, oldest first.
        failures: Attempts that fail before one succeeds.
    """

    def __init__(self) -> None:
        self.dialled: list[FakeSession] = []
        self.failures = 0
        self.alternatives = 0
        self.attempts: list[int] = []

    async def connect(
        self, address: Address, _settings: KcpSettings, *, attempt: int = 0
    ) -> FakeSession:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise TransportError("cannot resolve", peer=str(address))
        self.attempts.append(attempt)
        self.dialled.append(FakeSession(address))
        self.dialled[-1].alternatives = self.alternatives
        return self.dialled[-1]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    made = Network()
    monkeypatch.setattr(api, "connect", made.connect)
    monkeypatch.setattr(room, "_RETRY", 0.001)
    monkeypatch.setattr(room, "_SCAVENGE", 0.001)
    return made


@asynccontextmanager
async def pool(
    conn: int = 1,
    *,
    autoexpire: int = 0,
    scavengettl: int = 600,
    ports: tuple[int, int] = (1, 1),
    hop: float = 0.0,
) -> AsyncIterator[SessionPool]:
    link = KcpLink(
        KcpSettings(), conn=conn, autoexpire=autoexpire, scavengettl=scavengettl, hop=hop
    )
    made = SessionPool(PortRange("server", *ports), link)
    try:
        yield made
    finally:
        await made.aclose()
        assert made.sessions() == []


async def next_session(sessions: SessionPool) -> FakeSession:
    return cast("FakeSession", sessions.pick() or await sessions.dial())


async def dial(sessions: SessionPool) -> FakeSession:
    return cast("FakeSession", await sessions.dial())


def living(sessions: SessionPool) -> list[FakeSession]:
    return cast("list[FakeSession]", sessions.sessions())


async def test_slots_take_streams_in_turn(network: Network) -> None:
    async with pool(3) as sessions:
        assert sessions.pick() is None
        first_round = [await next_session(sessions) for _ in range(3)]
        assert first_round == network.dialled
        assert [await next_session(sessions) for _ in range(3)] == first_round
        assert len(sessions.sessions()) == 3


async def test_streams_that_come_at_once_share_a_dial(network: Network) -> None:
    async with pool() as sessions:
        found = await asyncio.gather(*(dial(sessions) for _ in range(5)))
        assert found == network.dialled * 5


async def test_one_waiting_stream_may_give_up(network: Network) -> None:
    async with pool() as sessions:
        network.failures = 10**9
        impatient = asyncio.create_task(dial(sessions))
        patient = asyncio.create_task(dial(sessions))
        await until(lambda: network.failures < 10**9)
        impatient.cancel()
        network.failures = 0
        assert await patient == network.dialled[0]
        assert impatient.cancelled()


async def test_dialling_goes_on_until_it_works(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    network.failures = 3
    async with pool() as sessions:
        assert await next_session(sessions) is network.dialled[0]
    assert caplog.messages == ["re-connecting: server:1: cannot resolve"]  # one line a minute


async def test_nothing_is_dialled_while_no_stream_waits(network: Network) -> None:
    async with pool() as sessions:
        network.failures = 10**9
        impatient = [asyncio.create_task(dial(sessions)) for _ in range(3)]
        await until(lambda: network.failures < 10**9)
        for task in impatient:
            task.cancel()
        await asyncio.wait(impatient)
        await until(lambda: len(asyncio.all_tasks()) == 2)  # this test, and who looks for the old
        network.failures = 0
        assert await dial(sessions) == network.dialled[0]


async def test_retries_become_rare_until_another_stream_comes(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    rested = asyncio.Event()

    async def rest(_sessions: SessionPool, pause: float) -> None:
        pauses.append(pause)
        if len(pauses) == 8:
            rested.set()

    monkeypatch.setattr(room, "_RETRY", 1.0)
    monkeypatch.setattr(SessionPool, "_rest", rest)
    async with pool() as sessions:
        network.failures = 8
        await dial(sessions)
        assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    monkeypatch.undo()
    monkeypatch.setattr(room, "_RETRY", 0.001)
    async with pool() as sessions:
        resting = asyncio.create_task(sessions._rest(1000))
        await asyncio.sleep(0)
        sessions._arrived.set()
        await resting


async def test_each_address_of_a_name_gets_one_short_chance(network: Network) -> None:
    network.alternatives = 1
    async with pool() as sessions:
        first = await next_session(sessions)
        first.fall_silent(heard=False)
        assert first.is_closed
        second = await next_session(sessions)
        second.fall_silent(heard=False)
        assert not second.is_closed
        assert await next_session(sessions) is second
        second.age(room._UNHEARD_PATIENCE)
        await next_session(sessions)
        assert network.attempts == [0, 1, 2]


async def test_an_address_that_has_answered_is_kept(network: Network) -> None:
    network.alternatives = 1
    async with pool() as sessions:
        for _ in range(2):
            (await next_session(sessions)).fall_silent(heard=True)
        assert network.attempts == [0, 0]


async def test_ports_of_a_range_are_used(network: Network) -> None:
    async with pool(40, ports=(7, 9)) as sessions:
        for _ in range(40):
            await next_session(sessions)
        assert {session.peer for session in network.dialled} == {"server:7", "server:8", "server:9"}


async def test_a_closed_session_is_replaced(network: Network) -> None:
    async with pool() as sessions:
        old = await next_session(sessions)
        old.is_closed = True
        assert await next_session(sessions) is not old


async def test_a_silent_session_is_replaced_for_new_streams_only(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    async with pool() as sessions:
        old = await next_session(sessions)
        old.streams, old.is_idle = 1, False
        old.fall_silent(heard=True)
        new = await next_session(sessions)
        assert new is not old
        assert living(sessions) == [new, old]
        await asyncio.sleep(0.01)
        assert not old.is_closed, "its stream lives on"
        old.streams = 0
        await until(lambda: old.is_closed)
        assert not new.is_closed
    assert "server:1 has stopped answering" in caplog.text


async def test_the_flows_of_a_silent_session_end_unless_it_answers_soon(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_FLOW_PATIENCE", 0.01)
    async with pool(2) as sessions:
        dead, alive = await next_session(sessions), await next_session(sessions)
        for session in (dead, alive):
            session.flows = session.streams = 1
            session.fall_silent(heard=True)
        alive.silent = False
        await until(lambda: not dead.flows)
        assert (alive.flows, dead.streams, dead.is_closed) == (1, 1, False)
        await next_session(sessions)
        dead.streams = 0
        await until(lambda: dead.is_closed)


async def test_a_session_that_answers_again_takes_streams(network: Network) -> None:
    async with pool() as sessions:
        session = await next_session(sessions)
        session.fall_silent(heard=True)
        session.silent = False
        assert await next_session(sessions) is session


async def test_a_server_that_never_answered_is_given_time(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    async with pool() as sessions:
        old = await next_session(sessions)
        old.fall_silent(heard=False)
        assert await next_session(sessions) is old
        old.age(room._UNHEARD_PATIENCE)
        assert await next_session(sessions) is not old
    assert "no answer from server:1 yet" in caplog.text
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


async def test_while_a_successor_is_dialled_a_session_counts_once(network: Network) -> None:
    async with pool() as sessions:
        old = await next_session(sessions)
        old.streams, old.is_idle = 1, False
        old.fall_silent(heard=True)
        network.failures = 10**9
        dialling = asyncio.create_task(dial(sessions))
        await until(lambda: network.failures < 10**9)
        assert living(sessions) == [old]
        network.failures = 0
        await dialling


async def test_an_expired_session_ends_with_its_last_stream(network: Network) -> None:
    async with pool(autoexpire=60) as sessions:
        old = await next_session(sessions)
        old.streams, old.is_idle = 1, False
        old.age(59)
        assert await next_session(sessions) is old
        old.age(1)
        new = await next_session(sessions)
        assert new is not old
        old.streams = 0
        await asyncio.sleep(0.01)
        assert not old.is_closed, "its last bytes are still on their way"
        old.is_idle = True
        await until(lambda: old.is_closed)
        assert await next_session(sessions) is new


@pytest.mark.parametrize("silent", [False, True])
async def test_a_replaced_session_waits_for_a_relay_that_holds_its_end_back(
    silent: bool, network: Network
) -> None:
    async with pool() as sessions:
        old = await next_session(sessions)
        old.streams = 1  # idle nevertheless: the relay alone knows that its application is not told
        old.fall_silent(heard=True)
        await next_session(sessions)
        old.silent = silent
        await asyncio.sleep(0.01)
        assert not old.is_closed
        old.streams = 0
        await until(lambda: old.is_closed)


async def test_an_expired_session_ends_in_the_end(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with pool(autoexpire=60, scavengettl=30) as sessions:
        old = await next_session(sessions)
        old.streams, old.is_idle = 1, False
        old.age(60)
        new = await next_session(sessions)
        old.age(29)
        await asyncio.sleep(0.01)
        assert not old.is_closed
        old.age(1)
        await until(lambda: old.is_closed)
        assert not new.is_closed
    assert "closed due to ttl" in caplog.text


async def test_an_idle_session_in_its_slot_stays(network: Network) -> None:
    async with pool() as sessions:
        session = await next_session(sessions)
        session.age(10**6)
        await asyncio.sleep(0.01)
        assert not session.is_closed
        assert await next_session(sessions) is session


async def test_the_end_of_the_pool_ends_waiting_streams(network: Network) -> None:
    network.failures = 10**9
    async with pool() as sessions:
        waiting = asyncio.create_task(dial(sessions))
        await until(lambda: network.failures < 10**9)
    await asyncio.wait([waiting])
    assert waiting.cancelled()


async def test_sessions_hop_over_the_range_while_they_are_heard(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    async with pool(2, ports=(10, 13), hop=0.001) as sessions:
        near, silent = await next_session(sessions), await next_session(sessions)
        assert network.dialled == [near, silent]
        silent.fall_silent(heard=True)
        before = len(silent.hops)
        await until(lambda: set(near.hops) == {10, 11, 12, 13})
        assert len(silent.hops) == before
        near.follows = False
        near.age(room._INTRODUCED)
        count = len(near.hops)
        await until(lambda: len(near.hops) > count + 5)
    told = [line for line in caplog.messages if "hop has no effect" in line]
    assert len(told) == 1


async def test_a_session_without_streams_is_made_anew_behind_a_sleep(network: Network) -> None:
    async with pool(3) as sessions:
        used, idle, rested = [await next_session(sessions) for _ in range(3)]
        used.streams = 1
        for session, slept in ((used, 600.0), (idle, 600.0), (rested, 5.0)):
            assert session.on_wake
            session.on_wake(cast("kcp.Session", session), slept)
        assert [each.is_closed for each in network.dialled] == [False, True, False]
