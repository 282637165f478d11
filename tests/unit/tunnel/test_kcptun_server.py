from __future__ import annotations

import asyncio
import logging
import re
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.tunnel.kcptun import SETTINGS, Target, server_config, tunnel
from tests.unit.waiting import PATIENCE, until

from blinktun.address import Address
from blinktun.config.model import PortRange
from blinktun.errors import ConfigError, TransportError
from blinktun.net.dial import dial
from blinktun.net.limits import DialBudget
from blinktun.testing.loopback import echo, read_all, read_exactly, serving
from blinktun.tunnel import kcptun_server, relay_log
from blinktun.tunnel.kcptun_server import KcptunServerRole

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from blinktun import kcp
    from blinktun.net.resolve import Resolver


class Gate:
    """A dial that waits until it may go on."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(
        self,
        address: Address,
        resolver: Resolver,
        connect: Callable[[str, int], Awaitable[socket.socket]],
    ) -> socket.socket:
        self.begun.set()
        await self.open.wait()
        return await dial(address, resolver, connect)


def by_name(address: Address) -> Address:
    """A name must be resolved, so it is dialled by a task."""
    return replace(address, host="localhost")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_target_is_dialled_by_address_or_name(host: str) -> None:
    async with serving(echo) as address, tunnel(replace(address, host=host)) as both:
        app = await both.connect()
        await app.send(b"hello")
        await app.send_eof()
        assert await read_all(app) == b"hello"


@pytest.mark.parametrize(
    ("host", "reason"),
    [("127.0.0.1", "refused"), ("localhost", "refused"), ("nobody.invalid", "known|resol")],
)
async def test_a_target_that_cannot_be_had_resets_the_stream(
    host: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        target = Address(host, closed.getsockname()[1])
        async with tunnel(target) as both:
            app = await both.connect()
            with pytest.raises(TransportError, match="reset"):
                await app.receive()
            await until(lambda: str(target) in caplog.text)
    (warning,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert str(target) in warning.message
    assert re.search(reason, warning.message)


async def test_what_was_sent_before_the_target_answered_arrives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate, target = Gate(), Target()
    monkeypatch.setattr(kcptun_server, "dial", gate)
    async with serving(target) as address, tunnel(by_name(address)) as both:
        app = await both.connect()
        await app.send(b"early")
        await app.send_eof()
        await gate.begun.wait()
        gate.open.set()
        far = await target.accept()
        assert await read_all(far) == b"early"
        await far.send_eof()
        assert await read_all(app) == b""


@pytest.mark.parametrize("whole_session", [False, True])
async def test_a_dial_ends_with_its_stream(
    monkeypatch: pytest.MonkeyPatch, *, whole_session: bool
) -> None:
    gate = Gate()
    monkeypatch.setattr(kcptun_server, "dial", gate)
    async with tunnel(Address("localhost", 9)) as both:
        app = await both.connect()
        await gate.begun.wait()
        assert len(both.server._dials) == 1
        if whole_session:
            (session,) = server_sessions(both.server)
            session.close()
        else:
            app.abort()
        await until(lambda: not both.server._dials)
        assert len(both.server._budget) == 0
        async with asyncio.timeout(PATIENCE):
            await both.server.stop(grace=100)  # nothing is counted as open


async def test_dials_are_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    monkeypatch.setattr(kcptun_server, "dial", gate)
    async with tunnel(Address("localhost", 9)) as both:
        both.server._budget = DialBudget(1, 1)
        await both.connect()
        await gate.begun.wait()
        one_too_many = await both.connect()
        with pytest.raises(TransportError, match="reset"):
            await one_too_many.receive()
        assert "target too many dials at once for 127.0.0.1 (1)" in caplog.text


def server_sessions(role: KcptunServerRole) -> list[kcp.Session]:
    return list(role._server.sessions.values()) if role._server else []


@pytest.mark.parametrize("grace", [0, 0.05])
async def test_stop_breaks_off_what_is_being_dialled(
    grace: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    monkeypatch.setattr(kcptun_server, "dial", gate)
    async with tunnel(Address("localhost", 9)) as both:
        app = await both.connect()
        await gate.begun.wait()
        await both.server.stop(grace)
        with pytest.raises(TransportError, match="reset"):
            await app.receive()


async def test_stop_waits_for_what_is_being_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_log, "QUIET", 1000)
    gate = Gate()
    monkeypatch.setattr(kcptun_server, "dial", gate)
    async with serving(echo) as address, tunnel(by_name(address)) as both:
        app = await both.connect()
        await app.send(b"hello")
        await app.send_eof()
        await gate.begun.wait()
        stopping = asyncio.create_task(both.server.stop(100))
        await until(lambda: both.server._stopping)
        gate.open.set()
        assert await read_all(app) == b"hello"
        async with asyncio.timeout(PATIENCE):
            await stopping


async def test_stop_resets_idle_streams_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_log, "QUIET", 0.05)
    target = Target()
    async with serving(target) as address, tunnel(address) as both:
        app = await both.connect()
        await app.send(b"hello")
        far = await target.accept()
        assert await read_exactly(far, 5) == b"hello"
        async with asyncio.timeout(PATIENCE):
            await both.server.stop(1000)
            for end in (app, far):
                with pytest.raises(TransportError, match="reset"):
                    await end.receive()


async def test_stop_lets_streams_end_and_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_log, "QUIET", 1000)
    target = Target()
    async with serving(target) as address, tunnel(address) as both:
        app = await both.connect()
        far = await target.accept()
        stopping = asyncio.create_task(both.server.stop(100))
        await until(lambda: both.server._stopping)
        late = await both.connect()
        with pytest.raises(TransportError, match="reset"):
            await late.receive()
        await far.send(b"in time")
        await far.send_eof()
        assert await read_all(app) == b"in time"
        assert not stopping.done()
        await app.send_eof()
        async with asyncio.timeout(PATIENCE):
            await stopping
        assert both.server.addresses == ()


async def test_stop_at_once_resets_both_ends() -> None:
    target = Target()
    async with serving(target) as address, tunnel(address) as both:
        app = await both.connect()
        far = await target.accept()
        async with asyncio.timeout(PATIENCE):
            await both.server.stop()
            for end in (app, far):
                with pytest.raises(TransportError, match="reset"):
                    await end.receive()
            await both.server.stop()


async def test_a_port_in_use_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        role = KcptunServerRole(
            server_config(Address("127.0.0.1", 9), listen=PortRange("127.0.0.1", port, port))
        )
        with pytest.raises(TransportError, match=f"cannot listen on udp 127.0.0.1:{port}"):
            await role.start()
        assert role.addresses == ()
        await role.stop()


async def test_settings_that_cannot_work_are_refused() -> None:
    config = replace(server_config(Address("127.0.0.1", 9)), kcp=replace(SETTINGS, rcvwnd=0))
    with pytest.raises(ConfigError, match="wnd"):
        KcptunServerRole(config)
