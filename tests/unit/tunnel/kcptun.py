"""A kcptun client and server in one event loop, with a target behind them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.unit.waiting import PATIENCE

from blinktun._core import StreamClass
from blinktun.config.model import (
    KcpLink,
    KcpSettings,
    KcptunClient,
    KcptunServer,
    LogSettings,
    PortRange,
)
from blinktun.testing.loopback import ANY_PORT
from blinktun.transports.tcp import TcpDialer, TcpStream
from blinktun.tunnel.kcptun_client import KcptunClientRole
from blinktun.tunnel.kcptun_server import KcptunServerRole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blinktun.address import Address
    from blinktun.transports.base import Stream

SECRET = "a secret that no log may tell"
SETTINGS = KcpSettings(key=SECRET, nodelay=1, interval=10, smuxver=2)
ANY_UDP = PortRange("127.0.0.1", 0, 0)


class Target:
    """What the server dials; hands its connections to the test."""

    def __init__(self) -> None:
        self._streams: asyncio.Queue[Stream] = asyncio.Queue()

    async def __call__(self, stream: Stream) -> None:
        self._streams.put_nowait(stream)
        await asyncio.Event().wait()

    async def accept(self) -> Stream:
        async with asyncio.timeout(PATIENCE):
            return await self._streams.get()


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Both roles at work.

    Attributes:
        client: The client's role.
        server: The server's role.
        apps: The applications' connections; what a test leaves open is broken off.
    """

    client: KcptunClientRole
    server: KcptunServerRole
    apps: list[TcpStream] = field(default_factory=list)

    async def connect(self) -> TcpStream:
        """An application's connection."""
        self.apps.append(await TcpDialer().connect(self.client.addresses[0]))
        return self.apps[-1]


def client_config(
    server: Address,
    *,
    conn: int = 1,
    class_: StreamClass = StreamClass.LEARNED,
    quiet: bool = False,
) -> KcptunClient:
    return KcptunClient(
        ANY_PORT,
        PortRange(server.host, server.port, server.port),
        KcpLink(SETTINGS, conn=conn, stream_class=class_),
        log=LogSettings(quiet=quiet),
    )


def server_config(
    target: Address, *, listen: PortRange = ANY_UDP, quiet: bool = False
) -> KcptunServer:
    return KcptunServer(
        listen, target, replace(SETTINGS, smuxver=None), log=LogSettings(quiet=quiet)
    )


@asynccontextmanager
async def tunnel(
    target: Address,
    *,
    conn: int = 1,
    class_: StreamClass = StreamClass.LEARNED,
    quiet: bool = False,
) -> AsyncIterator[Tunnel]:
    async with AsyncExitStack() as stack:
        server = KcptunServerRole(server_config(target, quiet=quiet))
        await server.start()
        stack.push_async_callback(server.stop)
        config = client_config(server.addresses[0], conn=conn, class_=class_, quiet=quiet)
        client = KcptunClientRole(config)
        await client.start()
        stack.push_async_callback(client.stop)
        made = Tunnel(client, server)
        yield made
        for app in made.apps:
            app.abort()
