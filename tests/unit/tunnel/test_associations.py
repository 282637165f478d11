from __future__ import annotations

from tests.unit.waiting import until

from blinktun.tunnel.associations import Associations


class Held:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        assert not self.closed
        self.closed = True


async def test_the_least_used_goes_first() -> None:
    held: Associations[str, Held] = Associations(limit=2)
    a, b = held.get("a", Held), held.get("b", Held)
    assert held.get("a", Held) is a
    c = held.get("c", Held)
    assert [one.closed for one in (a, b, c)] == [False, True, False]
    assert held.touch("a")
    assert not held.touch("b")
    held.get("d", Held)
    held.close()
    assert [one.closed for one in (a, c)] == [True, True]
    assert len(held) == 0


async def test_unused_ones_are_closed() -> None:
    held: Associations[str, Held] = Associations(idle=0.5)
    unused, used = held.get("unused", Held), held.get("used", Held)
    await until(lambda: held.touch("used") and unused.closed)
    await until(lambda: len(held) == 0)
    assert used.closed
    held.drop("nobody")


async def test_another_begins_after_all_have_gone() -> None:
    held: Associations[str, Held] = Associations(idle=0.01)
    for _ in range(2):
        one = held.get("a", Held)
        await until(lambda: one.closed)  # noqa: B023
    held.close()
