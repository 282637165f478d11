from __future__ import annotations

import asyncio
import gc
import socket

import pytest
from tests.unit.net.support import name_server
from tests.unit.waiting import until

from blinktun.config.model import Dns
from blinktun.net import resolve as room
from blinktun.net.limits import charge_to
from blinktun.net.name_servers import NotFoundError
from blinktun.net.resolve import LOOPBACK, Resolver


async def test_literals_are_not_asked_for() -> None:
    assert await Resolver().resolve("::1") == ["::1"]
    assert await Resolver().resolve("192.0.2.1") == ["192.0.2.1"]


async def test_no_such_name() -> None:
    with pytest.raises(OSError, match=r"\w"):
        await Resolver().resolve("no-such-name.invalid")
    with pytest.raises((OSError, ValueError), match=r"\w"):
        await Resolver().resolve("x" * 70 + ".invalid")


async def test_named_servers_are_asked() -> None:
    async with name_server() as (server, port):
        resolver = Resolver(Dns(("127.0.0.1",)), port=port)
        found = await resolver.resolve("both.example")  # rrsets have no order
        assert found[1] == "2001:db8::1"
        assert {found[0], found[2]} == {"192.0.2.1", "192.0.2.2"}
        assert await resolver.resolve("four.example") == ["192.0.2.4"]
        assert await resolver.resolve("localhost") == ["127.0.0.1", "::1"]
        with pytest.raises(OSError, match="does not resolve"):
            await resolver.resolve("none.example")
        with pytest.raises((OSError, ValueError), match=r"\w"):
            await resolver.resolve("x" * 70 + ".example")
        assert "A four.example." in server.asked


async def test_a_silent_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_DEADLINE", 0.2)
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with silent:
        silent.bind(("127.0.0.1", 0))
        resolver = Resolver(Dns(("127.0.0.1",)), port=silent.getsockname()[1])
        with pytest.raises(OSError, match=r"does not resolve: no answer within 0\.2 s"):
            await resolver.resolve("four.example")


@pytest.mark.parametrize(("expire", "questions"), [(60, 1), (0, 2)])
async def test_answers_are_kept_for_a_while(expire: float, questions: int) -> None:
    now = 0.0
    async with name_server() as (server, port):
        resolver = Resolver(Dns(("127.0.0.1",), expire), port=port, clock=lambda: now)
        for _ in range(2):
            await resolver.resolve("Four.example.")
        assert server.asked.count("A four.example.") == questions
        now = 61.0
        await resolver.resolve("four.example")
        assert server.asked.count("A four.example.") == questions + 1


async def test_many_ask_once() -> None:
    async with name_server() as (server, port):
        resolver = Resolver(Dns(("127.0.0.1",)), port=port)
        await asyncio.gather(*(resolver.resolve("four.example") for _ in range(20)))
        assert server.asked.count("A four.example.") == 1


async def test_no_more_names_are_kept_than_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_MAX_NAMES", 1)
    async with name_server() as (server, port):
        resolver = Resolver(Dns(("127.0.0.1",)), port=port)
        for name in ("four.example", "both.example", "four.example"):
            await resolver.resolve(name)
        assert server.asked.count("A four.example.") == 2


async def test_a_failure_that_nobody_waits_for_any_more_is_no_bug() -> None:
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, told: reported.append(told))
    gone = asyncio.Event()

    class Late(Resolver):
        async def _lookup(self, host: str, *, fresh: bool) -> list[str]:
            await gone.wait()
            raise OSError("late")

    resolver = Late()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await resolver.resolve("late.example")
    gone.set()
    await until(lambda: not resolver._asking)
    gc.collect()
    assert not reported


@pytest.mark.parametrize("host", ["localhost", "LocalHost.", "a.b.localhost"])
async def test_localhost_is_asked_of_nobody(host: str) -> None:
    class Unasked(Resolver):
        async def _lookup(self, host: str, *, fresh: bool) -> list[str]:
            raise AssertionError(host)

    assert await Unasked().resolve(host) == list(LOOPBACK)


async def test_silent_names_do_not_hold_up_others() -> None:
    async with name_server() as (_, port):
        resolver = Resolver(Dns(("127.0.0.1",)), port=port)
        names = [f"{number}.silent" for number in range(20)]
        silent = [asyncio.create_task(resolver.resolve(name)) for name in names]
        await until(lambda: len(resolver._asking) == len(names))
        assert await resolver.resolve("four.example") == ["192.0.2.4"]
        assert not any(task.done() for task in silent)
        for task in resolver._asking.values():
            task.cancel()
        await asyncio.wait(silent)


async def test_a_source_has_so_many_lookups_and_others_have_theirs() -> None:
    async with name_server() as (_, port):
        resolver = Resolver(Dns(("127.0.0.1",)), port=port)

        async def ask(source: str, name: str) -> list[str]:
            charge_to(source)
            return await resolver.resolve(name)

        names = [f"{number}.silent" for number in range(room._PER_SOURCE)]
        silent = [asyncio.create_task(ask("192.0.2.1", name)) for name in names]
        await until(lambda: len(resolver._asking) == len(names))
        with pytest.raises(OSError, match=r"too many lookups of names at once for 192\.0\.2\.1"):
            await asyncio.create_task(ask("192.0.2.1", "four.example"))
        assert await asyncio.create_task(ask("192.0.2.2", "four.example")) == ["192.0.2.4"]
        assert await asyncio.create_task(ask("192.0.2.1", "four.example")) == ["192.0.2.4"]
        for task in resolver._asking.values():
            task.cancel()
        await asyncio.wait(silent)
        assert len(resolver._budget) == 0


async def test_what_does_not_resolve_is_remembered_for_a_while() -> None:
    now = 0.0
    lookups: list[str] = []

    class Failing(Resolver):
        async def _lookup(self, host: str, *, fresh: bool) -> list[str]:
            lookups.append(host)
            raise NotFoundError("there is no such name")

    resolver = Failing(clock=lambda: now)
    for _ in range(3):
        with pytest.raises(OSError, match="does not resolve: there is no such name"):
            await resolver.resolve("gone.example")
    assert lookups == ["gone.example"]
    with pytest.raises(OSError, match="does not resolve"):
        await resolver.resolve("gone.example", fresh=True)
    now = 6.0
    with pytest.raises(OSError, match="does not resolve"):
        await resolver.resolve("gone.example")
    assert len(lookups) == 3


async def test_a_name_that_is_forgotten_is_asked_for_again() -> None:
    async with name_server() as (server, port):
        resolver = Resolver(Dns(("127.0.0.1",)), port=port)
        assert await resolver.resolve("four.example") == ["192.0.2.4"]
        server.records["four.example.", "A"] = ["192.0.2.5"]
        assert await resolver.resolve("four.example") == ["192.0.2.4"]
        assert await resolver.resolve("four.example", fresh=True) == ["192.0.2.5"]


async def test_the_system_is_asked_for_what_only_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def ask_system(host: str) -> list[str]:
        asked.append(host)
        return ["192.0.2.9"]

    monkeypatch.setattr(room, "ask_system", ask_system)
    monkeypatch.setattr(room, "is_multicast_name", lambda host: host.endswith(".local"))
    monkeypatch.setattr(room, "knows_more", lambda host: "." not in host)
    resolver = Resolver()

    class NoNames:
        async def ask(self, host: str, *, fresh: bool) -> list[str]:
            raise NotFoundError("there is no such name")

    monkeypatch.setattr(resolver, "_servers", NoNames())
    assert await resolver.resolve("printer.local") == ["192.0.2.9"]
    assert await resolver.resolve("container") == ["192.0.2.9"]
    with pytest.raises(OSError, match="does not resolve"):
        await resolver.resolve("gone.example")
    assert asked == ["printer.local", "container"]


def test_all_who_want_the_same_share_one() -> None:
    assert Resolver.shared(Dns()) is Resolver.shared(Dns())
    assert Resolver.shared(Dns()) is not Resolver.shared(Dns(expire=1))
