from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from tests.unit.kcp.support import BIG, SETTINGS, peers
from tests.unit.waiting import until

from blinktun._core import SessionLimited
from blinktun.kcp import Limit, LimitKind, explain
from blinktun.kcp.limit import remedy

if TYPE_CHECKING:
    from blinktun import kcp

MBIT = 125_000

SENTENCES = [
    (Limit(LimitKind.APPLICATION), "by the application: it has nothing more to send", None),
    (Limit(LimitKind.PEER_APPLICATION), "by the peer's application: it reads no faster", None),
    (
        Limit(LimitKind.PEER_WINDOW, segments=512, window=1, allows=55 * MBIT, rtt=0.12),
        "by the peer's window of 512 segments: 55 Mbit/s at this round trip of 120 ms",
        "raise rcvwnd at the peer",
    ),
    (Limit(LimitKind.PEER_WINDOW, segments=512), "by the peer's window of 512 segments", "raise"),
    (
        Limit(LimitKind.SEND_WINDOW, segments=128, window=1, allows=99 * MBIT, rtt=0.0052),
        "by sndwnd here of 128 segments: 99 Mbit/s at this round trip of 5.2 ms",
        "raise sndwnd here",
    ),
    (
        Limit(LimitKind.STREAM_WINDOW, window=2 << 20, allows=140 * MBIT, rtt=0.12),
        "by the peer's window for streams of 2 MiB: 140 Mbit/s at this round trip of 120 ms",
        "raise streambuf at the peer",
    ),
    (
        Limit(LimitKind.RECEIVE_WINDOW, segments=512, window=1, allows=55 * MBIT, rtt=0.12),
        (
            "receiving is limited by rcvwnd here of 512 segments: "
            "55 Mbit/s at this round trip of 120 ms"
        ),
        "raise rcvwnd here",
    ),
    (
        Limit(LimitKind.MEMORY, segments=64, window=1, allows=7 * MBIT, rtt=0.12),
        (
            "receiving is limited by memory here, which leaves this session a window of "
            "64 segments: 7 Mbit/s at this round trip of 120 ms"
        ),
        "raise memory here",
    ),
    (
        Limit(LimitKind.CONGESTION_WINDOW, window=64 << 10, allows=4 * MBIT, rtt=0.1),
        (
            "by the congestion window of 64 KiB: 4 Mbit/s at this round trip of 100 ms"
            "; with nc 0 each loss shrinks it"
        ),
        "set nc 1",
    ),
    (Limit(LimitKind.RATE_LIMIT, rate=1, allows=8 * MBIT), "by ratelimit: 8 Mbit/s", None),
    (
        Limit(LimitKind.HINT, rate=1, allows=20 * MBIT),
        "by the rate set here (up at a client, down at a server): 20 Mbit/s",
        None,
    ),
    (
        Limit(LimitKind.SEARCHING),
        "sending is not limited yet: the session still finds out what the link carries",
        None,
    ),
    (Limit(LimitKind.LINK, rate=1, allows=94 * MBIT), "by the link: it carries 94 Mbit/s", None),
    (Limit(LimitKind.LINK, rate=93 * MBIT), "by the link: it carries 93 Mbit/s", None),
    (
        Limit(LimitKind.QUEUE, rate=19 * MBIT, queue=0.72),
        "by the link: it carries 19 Mbit/s, and data waits in a queue for 720 ms",
        None,
    ),
    (
        Limit(LimitKind.LOSS, rate=1, allows=29 * MBIT, queue=0.008),
        "by loss that grows with the rate: a policer lets 29 Mbit/s pass",
        "up at a client, or down at a server, set just below that rate",
    ),
    (
        Limit(LimitKind.LOSS, rate=1, allows=29 * MBIT, queue=0.1),
        "by loss that grows with the rate: a queue that is full lets 29 Mbit/s pass",
        "up at a client",
    ),
    (
        Limit(LimitKind.LOSS_RECOVERY, repeated=0.127),
        "by losses that are not repaired yet: 13% of what leaves repeats",
        "set mode auto",
    ),
    (Limit(LimitKind.SILENCE), "by the path: nothing comes back from the peer", None),
    (
        Limit(LimitKind.MACHINE),
        "by this machine: its UDP socket takes no more",
        "raise sockbuf here",
    ),
]


@pytest.mark.parametrize(("limit", "sentence", "fix"), SENTENCES)
def test_a_limit_in_words(limit: Limit, sentence: str, fix: str | None) -> None:
    said = explain(limit)
    assert said == (f"sending is limited {sentence}" if sentence.startswith("by ") else sentence)
    assert (remedy(limit) or "").startswith(fix or "")
    assert (remedy(limit) is None) is (fix is None)


def test_every_kind_has_words() -> None:
    assert {limit.kind for limit, _, _ in SENTENCES} == set(LimitKind)
    assert [kind.value for kind in LimitKind] == [kind.name.lower() for kind in LimitKind]


async def test_a_session_tells_its_limit_over_a_socket() -> None:
    async with peers(replace(SETTINGS, ratelimit=200_000)) as both:
        near, far = await both.stream()
        stats = both.near.stats()
        assert stats
        assert stats.limit.kind is LimitKind.APPLICATION
        assert stats.receiving_limit is None
        writing = asyncio.create_task(near.write(BIG))
        reading = asyncio.create_task(_read_all(far))
        await until(lambda: _kind(both.near) is LimitKind.RATE_LIMIT)
        stats = both.near.stats()
        assert stats
        assert stats.limit.allows == 200_000
        assert 0 < stats.limit.share <= 1
        assert explain(stats.limit) == "sending is limited by ratelimit: 1.6 Mbit/s"
        writing.cancel()
        reading.cancel()


async def test_a_peer_that_does_not_read_is_the_limit() -> None:
    async with peers() as both:
        near, _far = await both.stream()
        writing = asyncio.create_task(near.write(4 * BIG))
        await until(lambda: _kind(both.near) is LimitKind.PEER_APPLICATION)
        writing.cancel()


def _kind(session: kcp.Session) -> LimitKind | None:
    stats = session.stats()
    return stats.limit.kind if stats else None


async def _read_all(stream: kcp.Stream) -> None:
    while await stream.read():
        pass


async def test_the_log_says_what_somebody_can_change(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "blinktun.kcp")
    ours = Limit(LimitKind.PEER_WINDOW, segments=512, allows=55 * MBIT, rtt=0.12)
    theirs = Limit(LimitKind.RECEIVE_WINDOW, segments=128, allows=9 * MBIT, rtt=0.12)
    async with peers() as both:
        session = both.near
        said = f"{session.peer}: sending is limited by the peer's window of 512 segments"
        monkeypatch.setattr(session, "stats", lambda: _stats(ours, theirs))
        for kind in LimitKind:
            session.on_event(SessionLimited(session.key, kind))
        monkeypatch.setattr(session, "stats", lambda: _stats(Limit(LimitKind.LINK), None))
        for kind in LimitKind:
            session.on_event(SessionLimited(session.key, kind))
        monkeypatch.setattr(session, "stats", lambda: None)
        session.on_event(SessionLimited(session.key, LimitKind.LOSS))
    lines = [record.message for record in caplog.records if "limited" in record.message]
    assert lines == [
        (
            f"{said}: 55 Mbit/s at this round trip of 120 ms; raise rcvwnd at the peer, or"
            " memory if its mode is auto"
        ),
        (
            f"{session.peer}: receiving is limited by rcvwnd here of 128 segments: "
            "9 Mbit/s at this round trip of 120 ms; raise rcvwnd here"
        ),
    ]


def _stats(limit: Limit, theirs: Limit | None) -> SimpleNamespace:
    return SimpleNamespace(limit=limit, receiving_limit=theirs)
