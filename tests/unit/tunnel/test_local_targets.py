"""Services of the server's machine, as clients ask for them: by every notation and on every way."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from tests.unit.tunnel.applications import socks5
from tests.unit.waiting import PATIENCE, until

from blinktun.address import Address
from blinktun.config.acl import parse_rules
from blinktun.config.model import (
    BlinksocksClient,
    BlinksocksServer,
    Inbound,
    KcpLink,
    ServerLink,
    Targets,
)
from blinktun.errors import TransportError
from blinktun.net.own_addresses import is_own
from blinktun.testing.loopback import (
    ANY_PORT,
    DEFAULT_PRESETS,
    Datagrams,
    answering,
    echo,
    serving,
)
from blinktun.tunnel.blinksocks_client import BlinksocksClientRole
from blinktun.tunnel.blinksocks_server import BlinksocksServerRole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blinktun.config.acl import Rule
    from blinktun.transports.base import Stream

NOTATIONS = (
    *("127.0.0.1", "127.1", "0x7f.1", "017700000001", "2130706433", "127.9.9.9"),
    *("0.0.0.0", "0", "::", "::1", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "::127.0.0.1"),
    *("localhost", "LOCALHOST", "localhost.", "127.0.0.1."),
)
GUIDE = "to:127.0.0.0/8 1\nto:::1 1\nto:localhost 1\n"
WAYS = {"tcp": ("tcp", False), "mux": ("tcp", True), "kcp": ("kcp", False)}
each_way = pytest.mark.parametrize("way", WAYS)
each_guard = pytest.mark.parametrize("guard", ["targets", "rules"])


@asynccontextmanager
async def _proxy(
    way: str, targets: Targets, rules: tuple[Rule, ...] | None
) -> AsyncIterator[Address]:
    transport, mux = WAYS[way]
    kcp = KcpLink() if transport == "kcp" else None
    link = ServerLink(transport, ANY_PORT, "secret", DEFAULT_PRESETS, mux=mux, kcp=kcp)
    server = BlinksocksServerRole(BlinksocksServer(link, 60, acl=rules, targets=targets))
    await server.start()
    near = ServerLink(transport, server.addresses[0], "secret", DEFAULT_PRESETS, mux=mux, kcp=kcp)
    client = BlinksocksClientRole(BlinksocksClient(Inbound.SOCKS, ANY_PORT, near))
    await client.start()
    before = asyncio.all_tasks()
    try:
        yield client.addresses[0]
    finally:
        await client.stop()
        await server.stop()
        await until(lambda: asyncio.all_tasks() <= before)  # lookups end by themselves


def _guard(guard: str, allowed: int) -> tuple[Targets, tuple[Rule, ...]]:
    """What keeps clients out, but for one port."""
    opened = f"to:127.0.0.1:{allowed} 0\n"
    if guard == "targets":
        return Targets.REMOTE, parse_rules(opened)[0]
    return Targets.ANY, parse_rules(GUIDE + opened)[0]


async def _ask(proxy: Address, target: Address) -> bytes:
    with suppress(TransportError):
        stream = await socks5(proxy, target)
        try:
            async with asyncio.timeout(PATIENCE):
                await stream.send(b"hello")
                return bytes(await stream.receive())
        finally:
            stream.abort()
    return b""


@each_guard
@each_way
async def test_connections(way: str, guard: str) -> None:
    reached: list[str] = []

    async def secret(stream: Stream) -> None:
        reached.append(stream.peer)
        await echo(stream)

    async with serving(secret) as inside, serving(echo) as allowed:
        async with _proxy(way, *_guard(guard, allowed.port)) as proxy:
            for host in NOTATIONS:
                assert await _ask(proxy, Address(host, inside.port)) == b"", host
            assert await _ask(proxy, Address("127.0.0.1", allowed.port)) == b"hello"
        assert not reached
        async with _proxy(way, Targets.ANY, None) as proxy:
            assert await _ask(proxy, inside) == b"hello"
        assert reached


@each_guard
@each_way
async def test_datagrams(way: str, guard: str) -> None:
    reached: list[bytes] = []

    def secret(data: bytes) -> bytes:
        reached.append(data)
        return data

    async with answering(secret) as inside, answering(bytes.upper) as allowed:
        async with _proxy(way, *_guard(guard, allowed.port)) as proxy:
            app = await Datagrams.associate(proxy)
            for host in NOTATIONS:
                app.send(Address(host, inside.port), host.encode())
            await _answered(app, allowed)
            app.close()
        assert not reached
        async with _proxy(way, Targets.ANY, None) as proxy:
            app = await Datagrams.associate(proxy)
            app.send(inside, b"hello")
            assert (await app.receive())[1] == b"hello"
            app.close()


async def _answered(app: Datagrams, allowed: Address) -> None:
    """Until a datagram has gone and come; those before it have been judged then."""
    async with asyncio.timeout(PATIENCE):
        while True:
            app.send(allowed, b"hello")
            with suppress(TimeoutError):
                assert (await app.receive(0.5))[1] == b"HELLO"
                return


async def test_own_addresses_are_asked_of_the_kernel() -> None:
    """The listener's address is refused though it is public, or of a private network."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=("203.0.113.1", 9)
    )
    own = transport.get_extra_info("sockname")[0]
    transport.close()
    async with _proxy("tcp", Targets.REMOTE, None) as proxy:
        assert is_own(Address(own, 0).ip)  # type: ignore[arg-type]
        assert await _ask(proxy, Address(own, proxy.port)) == b""
