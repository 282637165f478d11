from __future__ import annotations

from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.net.udp import Route
from blinktun.tunnel.associations import Associations


class Held:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        assert not self.closed
        self.closed = True


def route(host: str, port: int = 1, local: str = "192.0.2.1") -> Route:
    return Route(Address(host, port), local)


def add(held: Associations[Held], *routes: Route, times: int = 1) -> list[Held]:
    made = [Held() for _ in routes]
    for one, association in zip(routes, made, strict=True):
        held.add(one, association)
        for _ in range(times - 1):
            held.touch(one, by_peer=True)
    return made


async def test_what_was_used_once_goes_before_what_is_in_use() -> None:
    held: Associations[Held] = Associations(limit=3)
    [old] = add(held, route("a"), times=2)
    new = add(held, route("b"), route("c"))
    held.touch(route("b"), by_peer=False)  # an answer says nothing about the peer
    [newest] = add(held, route("d"))
    assert [one.closed for one in (old, *new, newest)] == [False, True, False, False]
    held.close()
    assert old.closed
    assert len(held) == 0


async def test_forged_sources_do_not_take_the_place_of_the_others() -> None:
    held: Associations[Held] = Associations(limit=10)
    honest = add(held, *(route(f"honest{n}") for n in range(5)), times=2)
    add(held, *(route(f"forged{n}") for n in range(1000)))
    assert not any(one.closed for one in honest)
    held.close()


async def test_one_host_with_many_ports_pushes_out_its_own() -> None:
    held: Associations[Held] = Associations(limit=10)
    others = add(held, *(route(f"other{n}") for n in range(4)), times=2)
    many = add(held, *(route("busy", port) for port in range(1, 100)), times=2)
    assert not any(one.closed for one in others)
    assert sum(not one.closed for one in many) == 6
    assert not many[-1].closed
    held.close()


async def test_a_peer_that_asks_two_addresses_of_ours_has_two() -> None:
    held: Associations[Held] = Associations()
    one, two = add(held, route("a", local="192.0.2.1"), route("a", local="192.0.2.2"))
    assert held.find(route("a", local="192.0.2.1")) is one
    assert held.find(route("a", local="192.0.2.2")) is two
    assert held.find(route("b")) is None
    held.close()


async def test_unused_ones_are_closed() -> None:
    held: Associations[Held] = Associations(idle=0.5)
    unused, used = add(held, route("unused"), route("used"))

    def closed_but_for_the_other() -> bool:
        held.touch(route("used"), by_peer=False)
        return unused.closed

    await until(closed_but_for_the_other)
    assert len(held) == 1
    await until(lambda: len(held) == 0)
    assert used.closed
    held.drop(route("unknown"))
    held.touch(route("unknown"), by_peer=True)


async def test_another_begins_after_all_have_gone() -> None:
    held: Associations[Held] = Associations(idle=0.01)
    for _ in range(2):
        [one] = add(held, route("a"))
        await until(lambda: one.closed)  # noqa: B023
    held.close()
