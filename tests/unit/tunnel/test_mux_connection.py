"""A shared connection without a socket, a clock or a task."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from blinktun.address import Address
from blinktun.errors import RemoteError
from blinktun.presets.mux_frames import Close, Data, New, pack_close, pack_new
from blinktun.tunnel import mux_connection
from blinktun.tunnel.mux_connection import Changed, MuxConnection, Opened, SubConnection
from blinktun.tunnel.mux_states import Action, Input, State

if TYPE_CHECKING:
    from collections.abc import Collection

TARGET = Address("example.com", 80)
CID = b"cid!"
ALIVE = [state for state in State if state not in {State.CLOSED, State.BROKEN}]
WAY = {
    State.NEW: [],
    State.CONNECTING: [Input.SEND],
    State.OPEN: [Input.SEND, Input.SETTLED],
    State.WAITING: [Input.SEND, Input.SETTLED, Input.EOF],
    State.ACCEPTED: [],
    State.CLOSED: [Input.CLOSE],
    State.BROKEN: [Input.ABORT],
}
"""What has to happen to a new sub-connection to get there."""


def _accepted(connection: MuxConnection, cid: bytes = CID) -> SubConnection:
    connection.receive(New(cid, TARGET))
    event = connection.next_event()
    assert isinstance(event, Opened)
    assert event.target == TARGET
    return event.sub


def _reach(state: State) -> tuple[MuxConnection, SubConnection]:
    connection = MuxConnection(accepts=True)
    opens = state is not State.ACCEPTED
    sub = connection.open(CID, TARGET) if opens else _accepted(connection)
    for given in WAY[state]:
        _give(connection, sub, given)
    while connection.next_event():
        pass
    connection.closes.clear()
    assert sub.state is state
    return connection, sub


def _give(connection: MuxConnection, sub: SubConnection, given: Input) -> Collection[Action]:
    match given:
        case Input.DATA:
            connection.receive(Data(sub.cid, b"data"))
        case Input.CLOSE:
            connection.receive(Close(sub.cid))
        case Input.LOST:
            connection.end("lost")
        case _:
            return connection.take(sub, given, f"by {given.name}")
    return ()


def _events(connection: MuxConnection) -> list[SubConnection]:
    """Whose changes the connection tells."""
    changed = []
    while event := connection.next_event():
        assert isinstance(event, Changed)
        changed.append(event.sub)
    return changed


def _stalls(connection: MuxConnection) -> bool:
    return connection.is_stalled


@pytest.mark.parametrize(("state", "given"), list(product(State, Input)))
def test_every_state_with_every_input(state: State, given: Input) -> None:
    connection, sub = _reach(state)
    actions = _give(connection, sub, given)
    was_alive = state in ALIVE
    assert (sub.cid in connection) is (not sub.is_over)
    assert len(connection) == (0 if sub.is_over else 1)
    ends_here = was_alive and sub.is_over and given not in {Input.CLOSE, Input.LOST}
    told = pack_close(CID) if ends_here and state is not State.NEW else b""
    assert connection.closes == told
    by_peer = was_alive and given in {Input.DATA, Input.CLOSE, Input.LOST}
    assert _events(connection) == ([sub] if by_peer else [])
    assert connection.read(sub) == (b"data" if given is Input.DATA and was_alive else b"")
    if sub.state is State.BROKEN:
        by = {Input.LOST: "lost"}.get(given, f"by {given.name}")
        assert sub.reason == (by if state is not State.BROKEN else "by ABORT")
    else:
        assert not sub.reason
    assert (Action.REFUSE in actions) is (not was_alive and given in {Input.SEND, Input.EOF})
    opens = state is State.NEW and given in {Input.SEND, Input.EOF}
    assert (Action.OPEN in actions) is opens
    assert bool(connection.ended) is (given is Input.LOST)


def test_the_frame_that_opens_is_there_once() -> None:
    _, sub = _reach(State.CONNECTING)
    assert sub.take_opening() == pack_new(CID, TARGET)
    assert sub.take_opening() == b""


def test_bytes_are_read_in_order_and_told_once() -> None:
    connection, sub = _reach(State.OPEN)
    for payload in (b"one, ", b"two, ", b"", b"three"):
        connection.receive(Data(CID, payload))
    assert _events(connection) == [sub]
    connection.receive(Close(CID))
    assert _events(connection) == [sub]
    assert sub.state is State.CLOSED
    assert sub.has_unread
    assert connection.read(sub) == b"one, two, three"
    assert connection.read(sub) == b""


def test_a_sub_connection_that_ends_late_does_not_end_the_next_with_its_id() -> None:
    connection, first = _reach(State.ACCEPTED)
    connection.receive(Close(CID))
    assert _events(connection) == [first]
    second = _accepted(connection)
    connection.take(first, Input.LEAVE)
    assert CID in connection
    assert connection.closes == b""
    connection.receive(Data(CID, b"hello"))
    assert _events(connection) == [second]
    assert connection.read(second) == b"hello"


@pytest.mark.parametrize("end", [Input.LEAVE, Input.ABORT])
def test_what_is_unread_stalls_it_until_it_is_read_or_dropped(
    monkeypatch: pytest.MonkeyPatch, end: Input
) -> None:
    monkeypatch.setattr(mux_connection, "_UNREAD", 8)
    connection, sub = _reach(State.ACCEPTED)
    for _ in range(2):
        connection.receive(Data(CID, b"1234"))
        assert not _stalls(connection)
        connection.receive(Data(CID, b"5678"))
        assert _stalls(connection)
        assert connection.read(sub) == b"12345678"
        assert not _stalls(connection)
    connection.receive(Data(CID, b"12345678"))
    connection.receive(Close(CID))
    assert _stalls(connection)
    connection.take(sub, end)
    assert not _stalls(connection)
    assert connection.read(sub) == b""


def test_closes_that_wait_for_the_wire_stall_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mux_connection, "_MAX_CLOSES", 10)
    connection = MuxConnection(accepts=True)
    connection.take(_accepted(connection, b"aaaa"), Input.ABORT)
    assert not _stalls(connection)
    connection.take(_accepted(connection, b"bbbb"), Input.LEAVE)
    assert _stalls(connection)
    assert connection.closes == pack_close(b"aaaa") + pack_close(b"bbbb")
    del connection.closes[:5]
    assert not _stalls(connection)


def test_one_counts_until_our_side_is_done_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mux_connection, "_MAX_STREAMS", 1)
    connection, sub = _reach(State.ACCEPTED)
    connection.receive(Close(CID))
    _events(connection)
    connection.receive(New(b"more", TARGET))
    assert connection.closes == pack_close(b"more")
    assert _events(connection) == []
    connection.take(sub, Input.LEAVE)
    _accepted(connection, b"more")


def test_of_too_many_that_wait_the_one_not_heard_of_for_longest_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mux_connection, "_MAX_WAITING", 2)
    connection = MuxConnection(accepts=False)
    first, second, third = (connection.open(b"cid%d" % number, TARGET) for number in range(3))
    for sub in (first, second):
        connection.take(sub, Input.SEND)
        connection.take(sub, Input.EOF)
    connection.receive(Data(first.cid, b"still here"))
    assert _events(connection) == [first]
    connection.take(third, Input.SEND)
    connection.take(third, Input.EOF)
    assert _events(connection) == [second]
    assert second.state is State.BROKEN
    assert second.reason == "too many wait for an answer"
    assert connection.closes == pack_close(second.cid)
    connection.receive(Close(first.cid))  # makes room
    fourth = connection.open(b"four", TARGET)
    connection.take(fourth, Input.SEND)
    connection.take(fourth, Input.EOF)
    assert third.state is State.WAITING


def test_behind_its_end_nothing_is_told_and_the_first_reason_stays() -> None:
    connection = MuxConnection(accepts=True)
    connection.end("idle")
    sub = _accepted(connection)
    connection.end("closed")
    assert connection.ended == "idle"
    assert sub.reason == "closed"
    assert _events(connection) == [sub]
    connection.take(_accepted(connection), Input.ABORT)
    assert connection.closes == b""


def test_frames_that_break_the_protocol() -> None:
    connection, _ = _reach(State.ACCEPTED)
    with pytest.raises(RemoteError, match="opened twice"):
        connection.receive(New(CID, TARGET))
    with pytest.raises(RemoteError, match="a server opened"):
        MuxConnection(accepts=False).receive(New(CID, TARGET))
    with pytest.raises(RemoteError, match="frame type 7"):
        connection.feed(b"\x07")


def test_frames_of_what_is_not_there_are_passed_over() -> None:
    connection = MuxConnection(accepts=True)
    for frame in connection.feed(b"\x02gone\x01gone\x00\x01x\x01go"):
        connection.receive(frame)
    assert connection.next_event() is None
    assert connection.inside_frame
