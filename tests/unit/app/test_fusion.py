"""Roles of one process that meet, with an application at one end and a target at the other."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.app.fusion import make_roles, reaches
from blinktun.app.roles import start_all, stop_all
from blinktun.config.model import (
    BlinksocksClient,
    BlinksocksServer,
    Inbound,
    KcpLink,
    KcpSettings,
    KcptunClient,
    KcptunServer,
    PortRange,
    PresetSpec,
    ServerLink,
)
from blinktun.testing.loopback import echo, read_all, read_exactly, serving
from blinktun.transports.tcp import TcpDialer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blinktun.app.roles import Role
    from blinktun.config.model import RoleConfig

PRESETS = (PresetSpec("ss-base"), PresetSpec("ss-aead-cipher"))
KCP = KcpSettings(key="road")


@pytest.mark.parametrize(
    ("address", "listens", "expected"),
    [
        ("127.0.0.1:1", "127.0.0.1:1", True),
        ("localhost:1", "127.0.0.1:1", True),
        ("127.0.0.1:1", ":1", True),
        ("localhost:1", "0.0.0.0:1", True),
        ("[::1]:1", "[::]:1", True),
        ("127.0.0.1:1", "127.0.0.1:2", False),
        ("192.0.2.1:1", ":1", False),
        ("example.com:1", "127.0.0.1:1", False),
        ("example.com:1", "example.com:1", True),
        ("127.0.0.1:1", "192.0.2.1:1", False),
    ],
)
def test_who_reaches_whom(address: str, listens: str, expected: bool) -> None:
    assert reaches(Address.parse(address), Address.parse(listens)) is expected


def _ports(count: int) -> list[int]:
    sockets = [socket.create_server(("", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def _picture(target: Address) -> list[RoleConfig]:
    app, near, road, far = _ports(4)
    here = "127.0.0.1"
    assert target.port
    return [
        BlinksocksClient(
            Inbound.TCP,
            Address(here, app),
            ServerLink("tcp", Address("localhost", near), "secret", PRESETS),
            forward=target,
            source="bs-client",
        ),
        KcptunClient(
            Address("", near), PortRange(here, road, road), KcpLink(KCP), source="kt-client"
        ),
        KcptunServer(PortRange(here, road, road), Address(here, far), KCP, source="kt-server"),
        BlinksocksServer(
            ServerLink("tcp", Address(here, far), "secret", PRESETS), source="bs-server"
        ),
    ]


@asynccontextmanager
async def _running(configs: list[RoleConfig]) -> AsyncIterator[list[Role]]:
    roles = make_roles(configs)
    await start_all(roles)
    try:
        yield roles
    finally:
        await stop_all(roles, 0)


async def test_the_picture_in_one_process(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving(echo) as target:
        configs = _picture(target)
        async with _running(configs) as roles:
            app = await TcpDialer().connect(roles[0].addresses[0])
            payload = bytes(range(256)) * 4096
            sending = asyncio.ensure_future(app.send(payload))
            assert await read_exactly(app, len(payload)) == payload
            await sending
            await app.send_eof()
            assert await read_all(app) == b""
            await app.aclose()
            assert roles[1].traffic == (0, 0)  # no TCP connection was relayed
            assert roles[2].traffic == (0, 0)
    assert "joined in memory: bs-client -> kt-client (no TCP socket needed)" in caplog.text
    assert "joined in memory: kt-server -> bs-server " in caplog.text


async def test_others_may_still_use_the_ports_between() -> None:
    async with serving(echo) as target:
        configs = _picture(target)
        async with _running(configs) as roles:
            assert isinstance(configs[0], BlinksocksClient)
            outside = replace(configs[0], listen=Address("127.0.0.1", 0), source="outside")
            other = make_roles([outside])  # alone: over TCP to the kcptun client
            await start_all(other)
            app = await TcpDialer().connect(other[0].addresses[0])
            await app.send(b"hello")
            assert await read_exactly(app, 5) == b"hello"
            app.abort()
            await stop_all(other, 0)
            assert roles[1].traffic[0] > 0


async def test_stopping_lets_streams_end() -> None:
    async with serving(echo) as target:
        roles = make_roles(_picture(target))
        await start_all(roles)
        app = await TcpDialer().connect(roles[0].addresses[0])
        await app.send(b"hello")
        assert await read_exactly(app, 5) == b"hello"
        stopping = asyncio.ensure_future(stop_all(roles, 10))
        await until(lambda: not roles[1].addresses)
        await app.send(b"late")
        assert await read_exactly(app, 4) == b"late"
        await app.send_eof()
        assert await read_all(app) == b""
        await app.aclose()
        async with asyncio.timeout(9):
            await stopping


async def test_roles_that_do_not_meet_are_made_as_ever() -> None:
    configs = _picture(Address("127.0.0.1", 1))
    assert isinstance(configs[1], KcptunClient)
    apart = [configs[0], replace(configs[1], localaddr=Address("", 1))]
    roles = make_roles(apart)
    assert [type(role).__name__ for role in roles] == ["BlinksocksClientRole", "KcptunClientRole"]
