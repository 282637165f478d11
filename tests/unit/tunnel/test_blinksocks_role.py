"""How both roles of blinksocks start and stop, whatever they take in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.testing.scripted import ScriptedStream
from blinktun.transports.base import Listener
from blinktun.tunnel.blinksocks_role import BlinksocksRole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.transports.base import Stream

CONFIGURED = Address("127.0.0.1", 0)
BOUND = Address("127.0.0.1", 4000)


class Notes(Listener):
    """A listener, and a relay of datagrams, that write down what is asked of them."""

    def __init__(self, *, fails: bool = False) -> None:
        self.lines: list[str] = []
        self._fails = fails

    @property
    def addresses(self) -> Sequence[Address]:
        return (BOUND,)

    async def aclose(self) -> None:
        self.lines.append("close")

    async def release(self) -> None:
        self.lines.append("release")

    def start(self, address: Address) -> None:
        self.lines.append(f"datagrams at {address}")
        if self._fails:
            raise TransportError("taken")

    def stop(self) -> None:
        self.lines.append("no datagrams")


class Plain(BlinksocksRole):
    """A role whose connections never end by themselves."""

    def __init__(self, notes: Notes, *, datagrams: bool = True) -> None:
        super().__init__(CONFIGURED, notes if datagrams else None)
        self._notes = notes

    async def _listen(self) -> Listener:
        return self._notes

    def _announce(self) -> None:
        self._notes.lines.append("running")

    def take(self, stream: Stream) -> None:
        self._connections.add(stream, _stay)


async def _stay(_stream: Stream) -> None:
    await asyncio.Event().wait()


async def test_datagrams_come_in_at_the_port_of_the_listener() -> None:
    notes = Notes()
    role = Plain(notes)
    assert not role.addresses
    await role.start()
    assert list(role.addresses) == [BOUND]
    assert notes.lines == [f"datagrams at {BOUND}", "running"]


async def test_a_role_without_datagrams() -> None:
    notes = Notes()
    role = Plain(notes, datagrams=False)
    await role.start()
    await role.stop()
    assert notes.lines == ["running", "close", "release"]


async def test_nothing_listens_where_datagrams_cannot() -> None:
    notes = Notes(fails=True)
    role = Plain(notes)
    with pytest.raises(TransportError, match="taken"):
        await role.start()
    assert notes.lines[1:] == ["close", "no datagrams", "release"]
    assert not role.addresses


async def test_what_connections_share_goes_behind_them() -> None:
    notes = Notes()
    role = Plain(notes)
    await role.start()
    stream = ScriptedStream()
    role.take(stream)
    await role.stop()
    assert stream.aborted
    assert notes.lines[2:] == ["close", "no datagrams", "release"]
    await role.stop()
    assert notes.lines.count("release") == 1


async def test_a_stop_that_was_cancelled_is_finished_by_the_next() -> None:
    notes = Notes()
    role = Plain(notes)
    await role.start()
    role.take(ScriptedStream())  # which never counts as idle
    patient = asyncio.create_task(role.stop(grace=60))
    await until(lambda: role._connections._stopped)
    patient.cancel()
    await asyncio.gather(patient, return_exceptions=True)
    assert "release" not in notes.lines
    await role.stop()
    assert notes.lines[-1] == "release"
    assert not role.addresses
