from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.unit.net.support import name_server

from blinktun.net import name_servers as room
from blinktun.net.name_servers import NameServers, NotFoundError, in_turn, name_servers

if TYPE_CHECKING:
    from pathlib import Path


def test_families_take_turns() -> None:
    assert in_turn(["::1", "::2", "192.0.2.1", "::1"]) == ["::1", "192.0.2.1", "::2"]
    assert in_turn([]) == []


async def test_both_families_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_FIRST_TRY", 5)  # with one family at hand the other is not repeated
    async with name_server() as (server, port):
        found = await NameServers(["127.0.0.1"], port).ask("both.example")
        assert set(found) == {"192.0.2.1", "192.0.2.2", "2001:db8::1"}
        assert {"A both.example.", "AAAA both.example."} <= set(server.asked)


async def test_no_such_name() -> None:
    async with name_server() as (_, port):
        servers = NameServers(["127.0.0.1"], port)
        with pytest.raises(NotFoundError):
            await servers.ask("none.example")
        with pytest.raises(NotFoundError):
            await servers.ask("x" * 70 + ".example")


async def test_no_server_there() -> None:
    async with name_server() as (_, port):
        pass
    with pytest.raises(OSError, match="contact"):
        await NameServers(["127.0.0.1"], port).ask("four.example")


async def test_a_fresh_answer_is_asked_for() -> None:
    async with name_server() as (server, port):
        server.ttl = 60
        servers = NameServers(["127.0.0.1"], port)
        assert await servers.ask("four.example") == ["192.0.2.4"]
        server.records["four.example.", "A"] = ["192.0.2.5"]
        assert await servers.ask("four.example") == ["192.0.2.4"]  # for as long as its TTL says
        assert await servers.ask("four.example", fresh=True) == ["192.0.2.5"]


async def test_a_lookup_that_is_given_up_ends_nothing_else() -> None:
    async with name_server() as (_, port):
        servers = NameServers(["127.0.0.1"], port)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await servers.ask("a.silent")
            assert await servers.ask("four.example", fresh=True) == ["192.0.2.4"]


async def test_the_systems_files_are_read_again_when_they_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    resolv = tmp_path / "resolv.conf"
    monkeypatch.setattr(room, "_FILES", (resolv,))
    opened: list[object] = []

    async def lookup(channel: object, host: str) -> list[str]:
        return [f"{len(opened)}"]

    def opening(_servers: list[str]) -> object:
        opened.append(object())
        return opened[-1]

    monkeypatch.setattr(room, "_open", opening)
    monkeypatch.setattr(room, "_lookup", lookup)
    servers = NameServers()
    assert [await servers.ask("name.example") for _ in range(2)] == [["1"]] * 2
    resolv.write_text("nameserver 127.0.0.1")
    assert [await servers.ask("name.example") for _ in range(2)] == [["2"]] * 2


def test_all_who_ask_the_same_servers_share_what_is_known_of_them() -> None:
    assert name_servers(("192.0.2.1",)) is name_servers(("192.0.2.1",))
    assert name_servers(("192.0.2.1",)) is not name_servers()
