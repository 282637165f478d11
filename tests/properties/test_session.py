"""Two sessions without sockets, joined in memory, in virtual time."""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blinktun import _core
from blinktun.config.model import KcpSettings
from blinktun.kcp.core_config import core_config

SETTINGS = KcpSettings(key="without sockets", nodelay=1, interval=10, sndwnd=256, rcvwnd=256)
_E = TypeVar("_E")
DELAY = 0.02
PATIENCE = 120.0
"""Seconds of virtual time."""


class Pair:
    """Two ends and the network between them, on one clock."""

    def __init__(self, seed: int, loss: float = 0.0, **changes: Any) -> None:
        config = core_config(replace(SETTINGS, **changes))
        self._random = random.Random(seed)
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

    def exchange(self, up: bytes, down: bytes) -> tuple[bytes, bytes]:
        """Send bytes both ways over one stream, each to its end; returns what arrived."""
        streams = {self.client: self.client.open_stream()}
        left = {self.client: up, self.server: down}
        got = {self.client: b"", self.server: b""}
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
        return got[self.server], got[self.client]


@pytest.mark.parametrize("crypt", ["null", "aes", "aes-128-gcm"])
@pytest.mark.parametrize("parity", [0, 3])
@pytest.mark.parametrize("smuxver", [1, 2])
def test_every_byte_arrives_both_ways_through_loss(crypt: str, parity: int, smuxver: int) -> None:
    pair = Pair(1, loss=0.1, crypt=crypt, parityshard=parity, smuxver=smuxver)
    up, down = random.Random(2).randbytes(300_000), random.Random(3).randbytes(300_000)
    assert pair.exchange(up, down) == (up, down)
    stats = pair.client.stats()
    assert stats is not None
    assert stats.sent_payload >= len(up)
    assert stats.min_rtt == pytest.approx(2 * DELAY, abs=0.002)
    assert pair.client.is_drained


def test_the_same_calls_with_the_same_seed_give_the_same_bytes() -> None:
    def log(seed: int) -> list[bytes]:
        pair = Pair(seed, loss=0.05, crypt="aes")
        pair.exchange(b"up" * 20_000, b"down" * 20_000)
        return pair.log

    assert log(7) == log(7)
    assert log(7) != log(8)


def test_a_reset_stream_and_a_closed_session_are_told_and_gone() -> None:
    pair = Pair(1)
    near = pair.client.open_stream()
    pair.client.write(near, b"begin")
    while not pair.told(_core.StreamReadable):
        pair.step()
    (far,) = [event.stream for event in pair.told(_core.StreamOpened)]
    assert pair.server.read(far, 100) == b"begin"
    pair.server.reset(far)
    while not pair.told(_core.StreamReset):
        pair.step()
    with pytest.raises(BrokenPipeError):
        pair.client.write(near, b"more")
    pair.client.close()
    pair.client.close()
    while not pair.told(_core.SessionClosed):
        pair.step()
    assert pair.client.key is None
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
    session.datagrams_to_send(5.0)
    assert session.datagrams_to_send(1.0) == []


_MOMENTS = st.floats(0, 1e6)
_CALLS = st.one_of(
    st.tuples(st.just("receive_datagram"), st.binary(max_size=200), _MOMENTS),
    st.tuples(st.just("handle_timeout"), _MOMENTS),
    st.tuples(st.just("datagrams_to_send"), _MOMENTS),
    st.tuples(st.just("write"), st.tuples(st.integers(0, 2), st.integers(0, 9), st.integers(0, 9)),
              st.binary(max_size=9)),
    st.tuples(st.sampled_from(["open_stream", "next_timeout", "next_event", "close", "stats"])),
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(st.booleans(), st.sampled_from(["null", "none", "aes"]), st.lists(_CALLS, max_size=30))
def test_no_call_in_any_order_raises_what_is_not_documented(
    is_client: bool,
    crypt: str,
    calls: list[tuple[object, ...]],
) -> None:
    config = core_config(replace(SETTINGS, crypt=crypt))
    make = _core.Session.client if is_client else _core.Session.server
    session = make(config, bytes(32), 0.0)
    for name, *arguments in calls:
        try:
            getattr(session, str(name))(*arguments)
        except OSError:
            assert name in {"write", "open_stream"}
