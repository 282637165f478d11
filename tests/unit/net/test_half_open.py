from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.unit.waiting import until

from blinktun.net import half_open
from blinktun.net.half_open import HalfOpen

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


class Closed(list[str]):
    def note(self, name: str) -> Callable[[], None]:
        return lambda: self.append(name)


async def test_the_oldest_of_all_goes_at_once() -> None:
    closed = Closed()
    known = HalfOpen(3)
    for number in range(5):
        name = f"192.0.2.{number}:1"
        known.add(name, closed.note(name))
    assert closed == ["192.0.2.0:1", "192.0.2.1:1"]
    assert len(known) == 3


async def test_a_source_may_have_more_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half_open, "_GRACE", 0.05)
    closed = Closed()
    known = HalfOpen(1000, per_source=3)
    for number in range(20):
        known.add("192.0.2.1:1", closed.note(str(number)))
    known.add("192.0.2.2:1", closed.note("another source"))
    assert not closed
    await until(lambda: len(closed) == 17)
    assert closed == [str(number) for number in range(17)]
    assert len(known) == 4
    await asyncio.sleep(0)
    assert len(closed) == 17


async def test_the_addresses_of_a_network_are_one_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half_open, "_GRACE", 0.0)
    closed = Closed()
    known = HalfOpen(1000, per_source=10)
    for number in range(100):
        known.add(f"[2001:db8::{number:x}]:5", closed.note("closed"))
    await until(lambda: len(closed) == 90)


async def test_what_was_handed_over_counts_in_all_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half_open, "_GRACE", 0.0)
    closed = Closed()
    known = HalfOpen(50, per_source=3)
    for _ in range(40):
        known.settle(known.add("192.0.2.1:1", closed.note("closed")))
    assert not closed
    assert len(known) == 40


async def test_who_has_shown_itself_is_forgotten() -> None:
    known = HalfOpen(10)
    for _ in range(100):
        with known.hold("192.0.2.1:1", lambda: None):
            assert len(known) == 1
    known.remove(known.add("192.0.2.1:1", lambda: None))
    assert len(known) == 0
    assert not known._by_source
