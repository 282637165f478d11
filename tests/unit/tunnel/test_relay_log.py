from __future__ import annotations

import asyncio
import logging
import re
import socket
from typing import TYPE_CHECKING, cast

import pytest
from tests.unit.waiting import PATIENCE

from blinktun.errors import TransportError
from blinktun.kcp import RelayResult, Session
from blinktun.tunnel.relay_log import Relays

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.kcp.keys import StreamKey

KEY = (0, 0, 3)


class FakeSession:
    """Keeps what it is told to call at the end of a relay."""

    def __init__(self, *, gone: bool = False) -> None:
        self._gone = gone
        self.finish: Callable[[RelayResult], None]

    def relay(
        self,
        _key: StreamKey,
        _socket: socket.socket,
        done: Callable[[RelayResult], None],
        *,
        connecting: bool,
    ) -> None:
        assert not connecting
        if self._gone:
            raise TransportError("the session is gone")
        self.finish = done

    def relayed(self) -> tuple[int, int]:
        return 5, 6


def begin(relays: Relays, title: str = "in: a out: b", *, gone: bool = False) -> FakeSession:
    session = FakeSession(gone=gone)
    with socket.socket() as connection:
        relays.join(cast("Session", session), KEY, connection, title)
    return session


async def test_one_line_for_each_connection(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    relays = Relays(quiet=False)
    begin(relays).finish(RelayResult(10, 2000, None, connected=True))
    begin(relays, "in: c out: d").finish(RelayResult(0, 0, "reset by peer", connected=True))
    first, second = caplog.messages
    assert re.fullmatch(
        r"stream closed in: a out: b: sent 10 received 2000 bytes in \d+\.\d{3} s: clean", first
    )
    assert second.startswith("stream closed in: c out: d: sent 0 received 0 bytes in ")
    assert second.endswith(" s: reset by peer")


async def test_quiet_hides_the_line_but_not_a_target_that_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    relays = Relays(quiet=True)
    begin(relays).finish(RelayResult(10, 20, None, connected=True))
    begin(relays).finish(RelayResult(0, 0, "refused", connected=False))
    assert caplog.messages == ["not connected in: a out: b: refused"]


async def test_bytes_are_counted() -> None:
    relays = Relays(quiet=True)
    living = begin(relays)
    begin(relays).finish(RelayResult(10, 20, None, connected=True))
    begin(relays).finish(RelayResult(1, 2, "broken", connected=True))
    assert (relays.sent, relays.received) == (11, 22)
    assert relays.traffic([cast("Session", living)]) == (16, 28)


async def test_stopping_waits_until_no_relay_is_left() -> None:
    relays = Relays(quiet=True)
    await relays.stop(tuple)
    one, other = begin(relays), begin(relays)
    stopping = asyncio.create_task(relays.stop(tuple))
    one.finish(RelayResult(0, 0, None, connected=True))
    await asyncio.sleep(0.01)
    assert not stopping.done()
    other.finish(RelayResult(0, 0, None, connected=True))
    await stopping


async def test_a_relay_that_cannot_begin_does_not_count() -> None:
    relays = Relays(quiet=False)
    with pytest.raises(TransportError):
        begin(relays, gone=True)
    async with asyncio.timeout(PATIENCE):
        await relays.stop(tuple)
