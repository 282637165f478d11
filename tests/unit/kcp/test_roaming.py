from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.kcp.support import ANY_PORT, SETTINGS, echo, read_all
from tests.unit.waiting import until

from blinktun import kcp
from blinktun.kcp import roaming as room
from blinktun.kcp.driver import Driver
from blinktun.kcp.roaming import Roaming

if TYPE_CHECKING:
    from collections.abc import Callable


class Machine:
    """A machine whose networks a test decides."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.source: str | None = "10.0.0.1"
        self.watches: list[Machine] = []
        monkeypatch.setattr(room, "source_address", lambda _host: self.source)
        monkeypatch.setattr(room, "NetworkWatch", self._watch)

    def _watch(self, change: Callable[[], object], resume: Callable[[float], object]) -> Machine:
        self.change, self.resume = change, resume
        self.watches.append(self)
        return self

    def close(self) -> None:
        self.watches.remove(self)


class Session:
    """What roaming sees of a session."""

    def __init__(self) -> None:
        self.host = "192.0.2.9"
        self.told: list[object] = []

    def on_network(self) -> None:
        self.told.append("network")

    def on_resume(self, slept: float) -> None:
        self.told.append(slept)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_a_session_is_told_when_another_address_leads_to_its_server(machine: Machine) -> None:
    roaming, session = Roaming(), Session()
    roaming.add(session)
    machine.change()
    assert session.told == [], "the same network"
    machine.source = None
    machine.change()
    assert session.told == [], "there is nothing to be done without a network"
    for source in ("10.0.0.1", "10.0.0.2"):
        machine.source = source
        machine.change()
        machine.change()
    assert session.told == ["network", "network"]
    machine.resume(600.0)
    assert session.told[2:] == [600.0]
    roaming.remove(session)
    assert machine.watches == []


def test_there_is_a_watch_only_while_somebody_wants_to_know(machine: Machine) -> None:
    roaming, sessions, told = Roaming(), [Session(), Session()], list[str]()

    def tell() -> None:
        told.append("ways")

    assert machine.watches == []
    for session in sessions:
        roaming.add(session)
    assert len(machine.watches) == 1
    for session in sessions:
        roaming.remove(session)
    assert machine.watches == []
    roaming.wait(tell)
    machine.change()
    assert told == []
    machine.source = None
    machine.change()
    assert told == ["ways"]
    roaming.forget(tell)
    assert machine.watches == []
    roaming.add(sessions[0])
    roaming.close()
    assert machine.watches == []


async def test_streams_go_on_in_another_network_and_behind_a_sleep(machine: Machine) -> None:
    async with (
        await kcp.serve(echo, ANY_PORT, SETTINGS) as server,
        await kcp.connect(server.address, SETTINGS) as session,
    ):
        stream = session.open_stream()
        for turn in range(3):
            await stream.write(b"hello")
            machine.source = f"10.0.0.{turn}"
            machine.change()
            machine.resume(600.0)
        stream.finish()
        assert await read_all(stream) == b"hello" * 3
        assert len(server.sessions) == 1
    assert machine.watches == []


async def test_a_session_hops_over_the_ports_of_its_server(machine: Machine) -> None:
    del machine
    async with (
        await kcp.serve(echo, [ANY_PORT] * 5, SETTINGS) as server,
        await kcp.connect(server.addresses[0], SETTINGS) as session,
    ):
        stream = session.open_stream()
        await stream.write(b"!")
        assert await stream.read() == b"!"
        sources = {session.local.port}
        for moves, where in enumerate([*server.addresses[1:], server.addresses[0]], start=1):
            assert session.hop(where.port)
            await until(lambda moves=moves: _moves() == 2 * moves)  # type: ignore[misc]
            sources.add(session.local.port)
            await stream.write(b"?")
            assert await stream.read() == b"?"
        assert len(sources) == 6
        assert len(server.sessions) == 1
        (far,) = server.sessions.values()
        assert far.peer.endswith(f":{session.local.port}")


async def test_a_server_that_does_not_follow_says_so(machine: Machine) -> None:
    del machine
    settings = replace(SETTINGS, follows=False)
    async with (
        await kcp.serve(echo, [ANY_PORT] * 2, settings) as server,
        await kcp.connect(server.addresses[0], SETTINGS) as session,
    ):
        stream = session.open_stream()
        await stream.write(b"!")
        assert await stream.read() == b"!"
        assert not session.hop(server.addresses[1].port)


def _moves() -> int:
    """Of both ends, which are in this event loop."""
    return int(Driver.current().core.stats()["moves"])
