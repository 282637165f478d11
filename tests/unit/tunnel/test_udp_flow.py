from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from tests.unit.kcp.support import Way
from tests.unit.waiting import PATIENCE, until

from blinktun import kcp
from blinktun.address import Address
from blinktun.config.model import (
    BlinksocksClient,
    BlinksocksServer,
    Inbound,
    KcpLink,
    KcpSettings,
    PresetSpec,
    ServerLink,
)
from blinktun.errors import TransportError
from blinktun.kcp import pool
from blinktun.kcp.driver import Driver
from blinktun.testing.loopback import ANY_PORT, Datagrams, answering
from blinktun.tunnel import udp_flow
from blinktun.tunnel.blinksocks_client import BlinksocksClientRole
from blinktun.tunnel.blinksocks_server import BlinksocksServerRole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from blinktun.tunnel.udp_server import Service

SETTINGS = KcpSettings(key="unit tests", crypt="aes-128-gcm")
AEAD = PresetSpec("ss-aead-cipher", {"method": "aes-256-gcm", "info": "ss-subkey"})
PLAIN = (PresetSpec("ss-base"), AEAD)
WITHOUT_FORM = (PresetSpec("base-with-padding", {"salt": "a salt"}), AEAD)
CHAINED = (PresetSpec("base-auth"), AEAD)


@asynccontextmanager
async def tunnel(
    presets: Sequence[PresetSpec] = PLAIN,
    *,
    takes_flows: bool = True,
) -> AsyncIterator[Address]:
    """A client and a server over kcp://; yields where the client takes SOCKS5."""
    async with tunnel_over(presets, takes_flows=takes_flows) as (proxy, _):
        yield proxy


@asynccontextmanager
async def tunnel_over(
    presets: Sequence[PresetSpec] = PLAIN, *, takes_flows: bool = True
) -> AsyncIterator[tuple[Address, Way]]:
    """The same with the way between the two."""
    link = ServerLink("kcp", ANY_PORT, "a key", tuple(presets), kcp=KcpLink(SETTINGS))
    theirs = replace(link, kcp=KcpLink(replace(SETTINGS, datagrams=takes_flows)))
    server = BlinksocksServerRole(BlinksocksServer(theirs, state_dir="off"))
    await server.start()
    way = Way(server.addresses[0])
    ours = replace(link, address=way.address)
    client = BlinksocksClientRole(BlinksocksClient(Inbound.SOCKS, ANY_PORT, ours))
    await client.start()
    try:
        yield client.addresses[0], way
    finally:
        await client.stop()
        way.close()
        await server.stop()


def sessions() -> list[kcp.Session]:
    found = Driver.current().sessions.values()
    return [session for session in found if isinstance(session, kcp.Session)]


async def ask(app: Datagrams, target: Address, payload: bytes) -> bytes:
    app.send(target, payload)
    source, answer = await app.receive()
    assert source == target
    return answer


async def test_datagrams_go_in_a_flow() -> None:
    async with tunnel() as proxy, answering(bytes.upper) as target, answering(bytes.title) as other:
        app = await Datagrams.associate(proxy)
        assert await ask(app, target, b"hello") == b"HELLO"
        assert await ask(app, other, b"hello") == b"Hello"
        assert await ask(app, target, b"") == b""
        assert await ask(app, target, b"x" * 20_000) == b"X" * 20_000
        assert [(session.flows, session.streams) for session in sessions()] == [(1, 0), (1, 0)]
        app.close()
        await until(lambda: not any(session.flows for session in sessions()))


async def test_a_server_that_takes_no_flows_gets_a_stream() -> None:
    async with tunnel(takes_flows=False) as proxy, answering(bytes.upper) as target:
        app = await Datagrams.associate(proxy)
        assert await ask(app, target, b"the first one is not lost") == b"THE FIRST ONE IS NOT LOST"
        assert await ask(app, target, b"hello") == b"HELLO"
        assert [(session.flows, session.streams) for session in sessions()] == [(0, 1), (0, 1)]
        app.close()


@pytest.mark.parametrize("presets", [WITHOUT_FORM, CHAINED])
async def test_presets_without_a_form_for_datagrams_use_a_stream(
    presets: Sequence[PresetSpec],
) -> None:
    async with tunnel(presets) as proxy, answering(bytes.upper) as target:
        app = await Datagrams.associate(proxy)
        assert await ask(app, target, b"hello") == b"HELLO"
        assert [session.flows for session in sessions()] == [0, 0]
        app.close()


async def test_a_session_that_ends_is_replaced() -> None:
    async with tunnel() as proxy, answering(bytes.upper) as target:
        app = await Datagrams.associate(proxy)
        assert await ask(app, target, b"hello") == b"HELLO"
        for session in sessions():
            session.close()
        await until(lambda: not sessions())
        assert await ask(app, target, b"again") == b"AGAIN"
        app.close()


async def test_a_session_whose_path_is_dead_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_FLOW_PATIENCE", 0.0)
    async with tunnel_over() as (proxy, way), answering(bytes.upper) as target:
        app = await Datagrams.associate(proxy)
        assert await ask(app, target, b"hello") == b"HELLO"
        way.cut()
        answer = b""
        async with asyncio.timeout(PATIENCE):
            while not answer:  # as applications do
                app.send(target, b"again")
                with contextlib.suppress(TimeoutError):
                    _, answer = await app.receive(within=1.0)
        assert answer == b"AGAIN"
        app.close()


async def test_what_is_idle_ends_at_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp_flow.FlowServer.__init__, "__kwdefaults__", {"idle": 0.2})
    async with tunnel() as proxy, answering(bytes.upper) as target:
        app = await Datagrams.associate(proxy)
        assert await ask(app, target, b"hello") == b"HELLO"
        await until(lambda: not any(session.flows for session in sessions()))
        assert await ask(app, target, b"again") == b"AGAIN"
        app.close()


async def test_there_are_as_many_flows_as_associations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp_flow, "MAX_ASSOCIATIONS", 1)
    async with tunnel() as proxy, answering(bytes.upper) as target:
        first, second = await Datagrams.associate(proxy), await Datagrams.associate(proxy)
        assert await ask(first, target, b"hello") == b"HELLO"
        second.send(target, b"nobody answers")
        with pytest.raises(TimeoutError):
            await second.receive(within=0.3)
        assert await ask(first, target, b"hello") == b"HELLO"
        first.close()
        second.close()


async def test_a_server_that_has_stopped_takes_no_flows() -> None:
    class Offered:
        peer = "127.0.0.1:9"
        is_closed = False

        def close(self) -> None:
            self.is_closed = True

    flow = Offered()
    server = udp_flow.FlowServer(cast("Service", SimpleNamespace(key="a key")))
    server.stop()
    server.take(cast("kcp.Flow", flow))
    assert flow.is_closed


async def test_noise_in_a_flow_is_dropped() -> None:
    async with tunnel_over() as (proxy, way), answering(bytes.upper) as target:
        app = await Datagrams.associate(proxy)
        assert await ask(app, target, b"hello") == b"HELLO"
        (near,) = [session for session in sessions() if session.peer == str(way.address)]
        async with near.open_flow() as flow:
            for size in (0, 1, 100):
                await flow.send(bytes(size))
            assert await ask(app, target, b"again") == b"AGAIN"
        app.close()


async def test_a_session_that_is_over_says_nothing_of_its_server() -> None:
    asked: list[str] = []

    class Over:
        takes_datagrams = False
        is_closed = True

        def open_flow(self) -> kcp.Flow:
            raise TransportError("closed here")

    async def over() -> kcp.Session:
        asked.append("session")
        return cast("kcp.Session", Over())

    path = udp_flow.FlowPath(
        over,
        None,  # type: ignore[arg-type]
        lambda _: pytest.fail("no stream is wanted"),
        lambda _origin, _payload: None,
    )
    for count in (1, 2):
        path.send(Address("192.0.2.1", 53), b"x")
        await until(lambda: not path._waiting)
        assert len(asked) == count
    path.close()


async def test_waiting_is_bounded() -> None:
    sent: list[bytes] = []

    async def never() -> kcp.Session:
        await asyncio.Event().wait()
        raise AssertionError

    path = udp_flow.FlowPath(
        never,
        None,  # type: ignore[arg-type]
        lambda _: pytest.fail("no stream is wanted"),
        lambda _, payload: sent.append(payload),
    )
    for number in range(1000):
        path.send(Address("192.0.2.1", 53), bytes([number % 256]))
        await asyncio.sleep(0)
    assert len(path._waiting) == 64
    path.close()
