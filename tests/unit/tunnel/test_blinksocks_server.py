"""A server on loopback, as good and bad clients see it."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.unit.tunnel.applications import Watching
from tests.unit.waiting import PATIENCE, until

from blinktun.address import Address
from blinktun.config.model import BlinksocksServer, PresetSpec, ServerLink
from blinktun.errors import ConfigError, TransportError
from blinktun.testing.loopback import ANY_PORT, echo, read_all, read_exactly, serving
from blinktun.testing.pair import PipelinePair, forwarded
from blinktun.transports.base import Dialer
from blinktun.transports.tcp import TcpDialer
from blinktun.tunnel.blinksocks_server import BlinksocksServerRole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blinktun.transports.base import Stream

PRESETS = (PresetSpec("ss-base"), PresetSpec("ss-aead-cipher"))


@asynccontextmanager
async def _server(*, idle: float = 60.0, hold: float = 0.1) -> AsyncIterator[Address]:
    config = BlinksocksServer(ServerLink("tcp", ANY_PORT, "secret", PRESETS), idle)
    role = BlinksocksServerRole(config, hold=(hold, hold))
    await role.start()
    yield role.addresses[0]
    await role.stop()
    assert role.addresses == ()


async def test_a_header_byte_by_byte_and_then_payload() -> None:
    async with serving(echo) as target, _server() as address:
        pair = PipelinePair(PRESETS, target)
        stream = await TcpDialer().connect(address)
        for byte in forwarded(pair.client.encode(b"")):
            await stream.send(bytes((byte,)))
        await stream.send(forwarded(pair.client.encode(b"hello")))
        await stream.send_eof()
        assert forwarded(pair.client.decode(await read_all(stream))) == b"hello"
        await stream.aclose()


async def test_a_prober_gets_nothing_for_a_while_and_then_a_reset() -> None:
    async with _server(hold=0.2) as address:
        stream = await TcpDialer().connect(address)
        started = time.monotonic()
        await stream.send(b"GET / HTTP/1.1\r\nHost: example.com\r\nUser-Agent: x\r\n\r\n")
        await stream.send(b"more")
        with pytest.raises(TransportError):
            await stream.receive()
        assert time.monotonic() - started >= 0.19


async def test_a_prober_cannot_send_without_end() -> None:
    async with _server(hold=0.5) as address:
        stream = await TcpDialer().connect(address)

        async def flood() -> None:
            while True:
                await stream.send(bytes(1 << 20))

        with pytest.raises(TransportError):
            await flood()


async def test_a_bad_chunk_later_resets_the_target_at_once() -> None:
    watching = Watching()
    async with serving(watching.serve) as target, _server(hold=60) as address:
        pair = PipelinePair(PRESETS, target)
        stream = await TcpDialer().connect(address)
        await stream.send(forwarded(pair.client.encode(b"hello")))
        await until(lambda: watching.heard == b"hello")
        await stream.send(bytes(100))
        async with asyncio.timeout(PATIENCE):
            assert await watching.seen == "a reset"
        stream.abort()


async def test_a_silent_client() -> None:
    async with _server(idle=0.05) as address:
        stream = await TcpDialer().connect(address)
        with pytest.raises(TransportError):
            await stream.receive()


async def test_clients_that_end_early() -> None:
    async with _server() as address:
        stream = await TcpDialer().connect(address)
        await stream.send_eof()
        with pytest.raises(TransportError):
            await read_exactly(stream, 1)


def test_configurations_are_checked_at_once() -> None:
    link = ServerLink("tcp", ANY_PORT, "secret", (PresetSpec("ss-bass"),))
    with pytest.raises(ConfigError, match=r"^server.json: presets\[0\].*did you mean ss-base"):
        BlinksocksServerRole(BlinksocksServer(link, source="server.json"))
    link = ServerLink("gopher", ANY_PORT, "secret", PRESETS)
    with pytest.raises(ConfigError, match=r"^server.json: service = gopher://: is not a known"):
        BlinksocksServerRole(BlinksocksServer(link, source="server.json"))


async def test_a_bug_ends_the_connection_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class BrokenDialer(Dialer):
        async def connect(self, address: Address) -> Stream:
            raise ZeroDivisionError(str(address))

    caplog.set_level(logging.INFO)
    config = BlinksocksServer(ServerLink("tcp", ANY_PORT, "secret", PRESETS))
    role = BlinksocksServerRole(config, dialer=BrokenDialer())
    await role.start()
    stream = await TcpDialer().connect(role.addresses[0])
    await stream.send(forwarded(PipelinePair(PRESETS, Address("a", 1)).client.encode(b"x")))
    with pytest.raises(TransportError):
        await stream.receive()
    await role.stop()
    assert "-> a:1: 0 bytes up, 0 bytes down" in caplog.text
    assert ", failed" in caplog.text
    assert "ZeroDivisionError: a:1" in caplog.text
