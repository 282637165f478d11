"""Sessions without sockets: two joined in memory in virtual time, and one that is misused."""

from __future__ import annotations

import contextlib
import heapq
import inspect
import itertools
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blinktun import _core
from blinktun.config.model import KcpSettings
from blinktun.kcp.core_config import core_config

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.timeout(240, method="thread")
"""A call that never returns holds the interpreter: this ends it, and says where it was."""

SETTINGS = KcpSettings(key="without sockets", nodelay=1, interval=10, sndwnd=256, rcvwnd=256)
_E = TypeVar("_E")
_StreamKey: TypeAlias = tuple[int, int, int]
DELAY = 0.02
PATIENCE = 120.0
"""Seconds of virtual time."""


class Pair:
    """Two ends and the network between them, on one clock."""

    def __init__(self, seed: int, loss: float = 0.0, **changes: Any) -> None:
        config = core_config(replace(SETTINGS, **changes))
        self._random = random.Random(seed)
        self._mtu = SETTINGS.mtu
        self.now = 0.0
        self.client = _core.Session.client(config, self._random.randbytes(32), self.now)
        self.server = _core.Session.server(config, self._random.randbytes(32), self.now)
        self._loss = loss
        self._numbers = itertools.count()
        self._under_way: list[tuple[float, int, _core.Session, bytes]] = []
        self.log: list[bytes] = []
        self.events: dict[_core.Session, list[_core.Event]] = {self.client: [], self.server: []}

    def step(self) -> None:
        """Carry what is to be sent, and go on to the next moment at which something happens."""
        for sender, receiver in ((self.client, self.server), (self.server, self.client)):
            for datagram in sender.datagrams_to_send(self.now):
                assert len(datagram) <= self._mtu
                self.log.append(datagram)
                if self._random.random() >= self._loss:
                    arrival = (self.now + DELAY, next(self._numbers), receiver, datagram)
                    heapq.heappush(self._under_way, arrival)
        for session, events in self.events.items():
            while event := session.next_event():
                events.append(event)
        due = [at for session in self.events if (at := session.next_timeout()) is not None]
        due += [at for at, *_ in self._under_way[:1]]
        self.now = max(self.now, min(due))
        assert self.now < PATIENCE
        while self._under_way and self._under_way[0][0] <= self.now:
            _, _, receiver, datagram = heapq.heappop(self._under_way)
            receiver.receive_datagram(datagram, self.now)
        for session in self.events:
            if (at := session.next_timeout()) is not None and at <= self.now:
                session.handle_timeout(self.now)

    def told(self, kind: type[_E], session: _core.Session | None = None) -> list[_E]:
        """The events of one kind so far, of one end or of both."""
        ends = self.events if session is None else (session,)
        return [event for end in ends for event in self.events[end] if isinstance(event, kind)]

    def step_until(self, condition: Callable[[], object]) -> None:
        while not condition():
            self.step()

    def opened(self, first: bytes) -> tuple[_StreamKey, _StreamKey]:
        """Open a stream that begins with some bytes; returns what each end calls it."""
        near = self.client.open_stream()
        assert self.client.write(near, first) == len(first)
        self.step_until(lambda: self.told(_core.StreamReadable, self.server))
        (far,) = [event.stream for event in self.told(_core.StreamOpened)]
        return near, far

    def exchange(self, up: bytes, down: bytes) -> tuple[bytes, bytes]:
        """Send bytes both ways over one stream, each to its end; returns what arrived."""
        streams = {self.client: self.client.open_stream()}
        left = {self.client: up, self.server: down}
        got = {self.client: bytearray(), self.server: bytearray()}
        ended: set[_core.Session] = set()
        while len(ended) < 2 or not (self.client.is_drained and self.server.is_drained):
            for session, stream in streams.items():
                if left[session]:
                    left[session] = left[session][session.write(stream, left[session]) :]
                    if not left[session]:
                        session.finish(stream)
                got[session] += session.read(stream, 1 << 20)
            self.step()
            for event in self.told(_core.StreamOpened):
                streams[self.server] = event.stream
            ended = {s for s in self.events if self.told(_core.StreamFinished, s)}
            assert not self.told(_core.StreamReset)
            assert not self.told(_core.SessionClosed)
        return bytes(got[self.server]), bytes(got[self.client])


@pytest.mark.parametrize("crypt", ["null", "aes", "aes-128-gcm"])
@pytest.mark.parametrize("parity", [0, 3])
@pytest.mark.parametrize("smuxver", [1, 2])
def test_every_byte_arrives_both_ways_through_loss(crypt: str, parity: int, smuxver: int) -> None:
    pair = Pair(1, loss=0.1, crypt=crypt, parityshard=parity, smuxver=smuxver)
    up, down = random.Random(2).randbytes(1_000_000), random.Random(3).randbytes(1_000_000)
    assert pair.exchange(up, down) == (up, down)
    stats = pair.client.stats()
    assert stats is not None
    assert stats.sent_payload >= len(up)
    assert stats.min_rtt == pytest.approx(2 * DELAY, abs=0.002)
    repaired = [end.repaired_packets for end in (stats, pair.server.stats()) if end]
    assert all(repaired) if parity else not any(repaired)


def test_the_same_calls_with_the_same_seed_give_the_same_bytes() -> None:
    def log(seed: int) -> list[bytes]:
        pair = Pair(seed, loss=0.05, crypt="aes")
        pair.exchange(b"up" * 20_000, b"down" * 20_000)
        return pair.log

    assert log(7) == log(7)
    assert log(7) != log(8)


def test_without_a_seed_no_two_sessions_are_alike() -> None:
    def first_datagrams() -> list[bytes]:
        session = _core.Session.client(core_config(replace(SETTINGS, crypt="null")))
        session.write(session.open_stream(), b"hello")
        return session.datagrams_to_send(0.0)

    assert first_datagrams() != first_datagrams()


def test_a_finished_stream_can_still_be_read() -> None:
    pair = Pair(1, loss=0.1)
    near, far = pair.opened(b"question")
    pair.client.finish(near)
    assert pair.server.read(far, 100) == b"question"
    pair.step_until(lambda: pair.told(_core.StreamFinished, pair.server))
    with pytest.raises(BrokenPipeError):
        pair.client.write(near, b"one more")
    assert pair.server.write(far, b"answer") == 6
    pair.step_until(lambda: pair.told(_core.StreamReadable, pair.client))
    assert pair.client.read(near, 3) == b"ans"
    assert pair.client.read(near, 100) == b"wer"
    pair.server.finish(far)
    pair.step_until(lambda: pair.told(_core.StreamFinished, pair.client))
    pair.step_until(lambda: (stats := pair.client.stats()) and stats.streams == 0)
    assert not pair.told(_core.StreamReset)


def test_a_write_beyond_the_buffer_is_taken_in_part_and_room_is_told() -> None:
    pair = Pair(1)
    near = pair.client.open_stream()
    data = bytes(8_000_000)
    assert 0 < pair.client.write(near, data) < len(data)
    assert pair.client.write(near, data) == 0
    pair.step_until(lambda: pair.told(_core.StreamWritable, pair.client))
    assert pair.client.write(near, data) > 0


def test_a_server_takes_one_client_at_a_time() -> None:
    pair = Pair(1)
    pair.opened(b"first")
    server = pair.server
    second = _core.Session.client(core_config(SETTINGS), bytes(32), pair.now)
    second.write(second.open_stream(), b"second")

    def is_opened_within(seconds: float) -> bool:
        end = pair.now + seconds
        while pair.now < end:
            pair.now += 0.01
            for sender, receiver in ((second, server), (server, second)):
                sender.handle_timeout(pair.now)
                for datagram in sender.datagrams_to_send(pair.now):
                    receiver.receive_datagram(datagram, pair.now)
            while event := server.next_event():
                if isinstance(event, _core.SessionOpened):
                    return True
        return False

    assert not is_opened_within(3)
    server.close()
    assert is_opened_within(3)


def test_events_that_are_not_taken_are_bounded_and_nothing_is_lost() -> None:
    pair = Pair(1)
    streams = [pair.client.open_stream() for _ in range(6000)]
    for stream in streams:
        pair.client.write(stream, b"x")
    now = 0.0
    while now < 5.0:
        now += 0.01
        for sender, receiver in ((pair.client, pair.server), (pair.server, pair.client)):
            sender.handle_timeout(now)
            for datagram in sender.datagrams_to_send(now):
                receiver.receive_datagram(datagram, now)
    waiting = []
    while event := pair.server.next_event():
        waiting.append(event)
    # One datagram more may open a thousand streams: compression makes their frames small.
    assert 4096 <= len(waiting) < 4096 + 2 * 1000
    pair.now = now
    pair.events[pair.server] += waiting
    pair.step_until(lambda: len(pair.told(_core.StreamOpened)) == len(streams))


def test_a_reset_stream_and_a_closed_session_are_told_and_gone() -> None:
    pair = Pair(1)
    near, far = pair.opened(b"begin")
    assert pair.server.read(far, 100) == b"begin"
    pair.server.reset(far)
    pair.step_until(lambda: pair.told(_core.StreamReset, pair.client))
    with pytest.raises(BrokenPipeError):
        pair.client.write(near, b"more")
    pair.client.close()
    pair.client.close()
    pair.step_until(lambda: pair.told(_core.SessionClosed))
    (closed,) = pair.told(_core.SessionClosed)
    assert closed.reason is _core.CloseReason.LOCAL
    assert pair.client.key is None
    assert pair.client.is_drained
    assert pair.client.stats() is None
    with pytest.raises(OSError, match="not connected"):
        pair.client.open_stream()


def test_what_cannot_be_is_refused() -> None:
    config = core_config(SETTINGS)
    for wrong in (b"", b"x" * 31, b"x" * 33):
        with pytest.raises(ValueError, match="32"):
            _core.Session.client(config, wrong, 0.0)
    session = _core.Session.client(config, bytes(32), 0.0)
    for moment in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="now"):
            session.datagrams_to_send(moment)
    with pytest.raises(ValueError, match="65535"):
        session.receive_datagram(bytes(65536), 0.0)
    with pytest.raises(OSError, match="not connected"):
        session.write((0, 12345, 1), b"to another session")
    session.write(session.open_stream(), b"at five")
    assert session.datagrams_to_send(5.0)
    resend = session.next_timeout()
    assert resend is not None
    session.handle_timeout(1.0)
    assert session.datagrams_to_send(1.0) == []
    assert session.next_timeout() == resend
    assert session.read((*(session.key or ()), 12345), 10) == b""


_ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from((2**31, 2**32, 2**63, 2**64, -1)),
    st.floats(), st.text(max_size=4), st.binary(max_size=9), st.lists(st.integers(), max_size=3),
    st.tuples(st.integers(), st.integers(), st.integers()),
)  # fmt: skip
_USUAL: dict[str, st.SearchStrategy[Any]] = {
    "now": st.one_of(st.floats(0, 100), st.floats(0, 1e20)),
    "data": st.one_of(st.binary(max_size=200), st.sampled_from((bytes(65535), bytes(65536)))),
    "max_bytes": st.sampled_from((0, 1, 2**64 - 1)),
    "class_": st.sampled_from(_core.StreamClass),
}
_METHODS = {
    name: tuple(inspect.signature(method).parameters)[1:]
    for name, method in vars(_core.Session).items()
    if not name.startswith("_") and callable(method) and name not in {"client", "server"}
}
_DOCUMENTED = (TypeError, OverflowError, ValueError, OSError)


def test_every_method_is_misused_below() -> None:
    assert {"receive_datagram", "write", "read", "reset", "next_event", "stats"} <= set(_METHODS)


@settings(deadline=None, max_examples=400)
@given(st.booleans(), st.sampled_from(["null", "none", "aes", "aes-128-gcm"]), st.data())
def test_no_call_in_any_order_raises_what_is_not_documented(
    is_client: bool, crypt: str, data: st.DataObject
) -> None:
    make = _core.Session.client if is_client else _core.Session.server
    session = make(core_config(replace(SETTINGS, crypt=crypt)), bytes(32), 0.0)
    streams: list[object] = [(0, 0, 1)]
    for _ in range(data.draw(st.integers(1, 20))):
        name = data.draw(st.sampled_from(sorted(_METHODS)))
        usual = {**_USUAL, "stream": st.sampled_from(streams)}
        arguments = [data.draw(st.one_of(usual[it], usual[it], _ODD)) for it in _METHODS[name]]
        with contextlib.suppress(*_DOCUMENTED):
            result = getattr(session, name)(*arguments)
            if name == "open_stream":
                streams.append(result)


def _spoken(crypt: str, parity: int) -> list[bytes]:
    pair = Pair(5, loss=0.1, crypt=crypt, parityshard=parity)
    pair.exchange(random.Random(1).randbytes(20_000), random.Random(2).randbytes(20_000))
    return pair.log


_SPOKEN = {
    (crypt, parity): _spoken(crypt, parity) for crypt in ("null", "aes") for parity in (0, 3)
}
"""What two sessions of one seed have said to each other."""


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(_SPOKEN)), st.data())
def test_datagrams_in_any_order_and_damaged_raise_nothing(
    kind: tuple[str, int], data: st.DataObject
) -> None:
    # The seed is that of the recorded sessions, so their datagrams belong to these.
    pair = Pair(5, crypt=kind[0], parityshard=kind[1])
    pair.client.write(pair.client.open_stream(), b"hello")
    for _ in range(data.draw(st.integers(1, 30))):
        datagram = bytearray(data.draw(st.sampled_from(_SPOKEN[kind])))
        if datagram and data.draw(st.booleans()):
            at = data.draw(st.integers(0, len(datagram) - 1))
            datagram[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
        pair.now += data.draw(st.sampled_from((0.0, 0.01, 1.0, 100.0)))
        for session in pair.events:
            session.receive_datagram(bytes(datagram), pair.now)
            session.handle_timeout(pair.now)
            session.datagrams_to_send(pair.now)
            while event := session.next_event():
                if isinstance(event, _core.StreamOpened):
                    session.write(event.stream, b"to a stream of a datagram")
                if isinstance(event, _core.StreamReadable):
                    session.read(event.stream, 1 << 20)
