from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from tests.unit.net.support import listening
from tests.unit.waiting import until

from blinktun.net.dial import begin_dial
from blinktun.tunnel import waiting as room
from blinktun.tunnel.waiting import WaitingConnections

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from blinktun.kcp import Session

SESSION = cast("Session", object())


class Room:
    """Connections that wait for a session which comes when it may."""

    def __init__(self) -> None:
        self.there = asyncio.Event()
        self.served: list[socket.socket] = []
        self.waiting = WaitingConnections(self.dial, self.serve)

    async def dial(self) -> Session:
        await self.there.wait()
        return SESSION

    def serve(self, session: Session, connection: socket.socket) -> None:
        assert session is SESSION
        self.served.append(connection)


@asynccontextmanager
async def applications(count: int = 1) -> AsyncIterator[tuple[Room, list[socket.socket]]]:
    """A room, and connected applications, each of which has its connection in the room."""
    made = Room()
    with listening() as (listener, accepted):
        apps = [begin_dial(listener.address) for _ in range(count)]
        for _ in apps:
            made.waiting.add(await accepted.get())
        yield made, apps
        await made.waiting.aclose()
        for app in (*apps, *made.served):
            app.close()
    assert len(made.waiting) == 0


async def was_reset(app: socket.socket) -> bool:
    try:
        await asyncio.get_running_loop().sock_recv(app, 1)
    except ConnectionResetError:
        return True
    return False


async def test_a_session_is_for_all_who_wait() -> None:
    async with applications(3) as (made, _):
        assert not made.served
        made.there.set()
        await until(lambda: len(made.served) == 3)
        assert len(made.waiting) == 0


async def test_who_waits_for_too_long_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(room, "PATIENCE", 0.01)
    async with applications() as (made, (app,)):
        assert await was_reset(app)
        assert len(made.waiting) == 0
    assert "a connection is reset: no session within" in caplog.text


async def test_one_too_many_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "share_for_unauthenticated", lambda: 2)
    async with applications(3) as (made, apps):
        assert await was_reset(apps[2])
        assert len(made.waiting) == 2


async def test_who_has_left_waits_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_LOOK", 0.001)
    async with applications(3) as (made, apps):
        stays, leaves, asks = apps
        await asyncio.get_running_loop().sock_sendall(asks, b"a request")
        asks.shutdown(socket.SHUT_WR)  # it may still wait for the answer
        leaves.close()
        await until(lambda: len(made.waiting) == 2)
        made.there.set()
        await until(lambda: len(made.served) == 2)
        names = {connection.getpeername() for connection in made.served}
        assert names == {stays.getsockname(), asks.getsockname()}


async def test_stop_resets_all() -> None:
    async with applications(2) as (made, apps):
        await made.waiting.aclose()
        assert [await was_reset(app) for app in apps] == [True, True]
