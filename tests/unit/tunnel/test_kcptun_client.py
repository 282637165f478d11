from __future__ import annotations

import asyncio
import gc
import logging
import random
import re
import resource
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.tunnel.kcptun import (
    SECRET,
    SETTINGS,
    Target,
    client_config,
    server_config,
    tunnel,
)
from tests.unit.waiting import PATIENCE, until

from blinktun._core import StreamClass
from blinktun.address import Address
from blinktun.config.model import KcpLink, PortRange
from blinktun.errors import ConfigError, TransportError
from blinktun.kcp import pool
from blinktun.testing.loopback import echo, read_all, read_exactly, serving
from blinktun.transports.tcp import TcpDialer
from blinktun.tunnel import relay_log
from blinktun.tunnel.kcptun_client import KcptunClientRole
from blinktun.tunnel.kcptun_server import KcptunServerRole

BIG = random.Random(1).randbytes(2 << 20)
NOBODY = Address("127.0.0.1", 9)


async def test_bytes_and_both_ends_pass() -> None:
    target = Target()
    async with serving(target) as address, tunnel(address) as both:
        app = await both.connect()
        sending = asyncio.create_task(app.send(BIG))
        far = await target.accept()
        assert await read_exactly(far, len(BIG)) == BIG
        await sending
        assert both.client.traffic == (len(BIG), 0)
        assert both.server.traffic == (0, len(BIG))
        await app.send_eof()
        assert await far.receive() == b""
        await far.send(b"after the end")
        await far.send_eof()
        assert await read_all(app) == b"after the end"
        await until(lambda: both.client.traffic == (len(BIG), 13))


async def test_sessions_share_the_streams() -> None:
    async with serving(echo) as address, tunnel(address, conn=3) as both:
        apps = [await both.connect() for _ in range(6)]
        for app in apps:
            await app.send(b"x")
            assert await app.receive() == b"x"
        assert [session.streams for session in both.client._pool.sessions()] == [2, 2, 2]
        for app in apps:
            await app.send_eof()
            assert await app.receive() == b""


async def test_a_reset_passes_in_both_directions() -> None:
    target = Target()
    async with serving(target) as address, tunnel(address) as both:
        for breaks in ("app", "target"):
            app = await both.connect()
            far = await target.accept()
            one, other = (app, far) if breaks == "app" else (far, app)
            one.abort()
            with pytest.raises(TransportError, match="reset"):
                await other.receive()


async def test_the_line_of_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving(echo) as address, tunnel(address) as both:
        app = await both.connect()
        await app.send(b"hello")
        await app.send_eof()
        assert await read_all(app) == b"hello"
        server = both.server.addresses[0]
        await until(lambda: caplog.text.count("stream closed") == 2)
    lines = [line for line in caplog.messages if line.startswith("stream closed")]
    ending = r": sent 5 received 5 bytes in 0\.\d{3} s: clean"
    here = r"127\.0\.0\.1:\d+"
    assert any(
        re.fullmatch(rf"stream closed in: {here} out: {server}\(3\){ending}", line)
        for line in lines
    )
    assert any(
        re.fullmatch(rf"stream closed in: {here}\(3\) out: {address}{ending}", line)
        for line in lines
    )


async def test_quiet_hides_the_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(echo) as address, tunnel(address, quiet=True) as both:
        app = await both.connect()
        await app.send_eof()
        assert await read_all(app) == b""
    assert "stream closed" not in caplog.text
    assert "listening on: " in caplog.text


async def test_no_line_tells_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(echo) as address, tunnel(address) as both:
        app = await both.connect()
        await app.send(b"x")
        app.abort()
        wrong = KcpLink(replace(SETTINGS, key="?"))
        stranger = replace(client_config(both.server.addresses[0]), link=wrong)
        role = KcptunClientRole(stranger)
        await role.start()
        other = await TcpDialer().connect(role.addresses[0])
        await other.send(b"x")
        await until(lambda: "no answer from" in caplog.text)
        await role.stop()
    assert "do not decrypt" in caplog.text
    assert "stream closed" in caplog.text
    assert SECRET not in caplog.text
    assert SECRET not in repr(client_config(NOBODY)) + repr(server_config(NOBODY))


# --- failures -----------------------------------------------------------------------------------


async def test_an_address_in_use_is_named() -> None:
    async with serving(echo) as taken:
        role = KcptunClientRole(replace(client_config(NOBODY), localaddr=taken))
        with pytest.raises(TransportError, match=f"cannot listen on tcp {taken}"):
            await role.start()
        assert role.addresses == ()
        await role.stop()


async def test_settings_that_cannot_work_are_refused_before_anything_listens() -> None:
    with pytest.raises(ConfigError, match="mtu"):
        KcptunClientRole(replace(client_config(NOBODY), link=KcpLink(replace(SETTINGS, mtu=40))))


async def test_connections_wait_for_a_server_name(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pool, "_RETRY", 0.01)
    async with serving(echo) as address, tunnel(address) as both:
        real = both.client._pool._server
        names = iter([Address("nobody.invalid", 1)] * 2)
        monkeypatch.setattr(both.client._pool, "_server", lambda: next(names, None) or real())
        app = await both.connect()
        await app.send(b"patience")
        assert await read_exactly(app, 8) == b"patience"
        app.abort()
    assert caplog.text.count("re-connecting: nobody.invalid:1: cannot resolve") == 1


async def test_a_bug_in_dialling_resets_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    caught: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: caught.append(context))
    async with serving(echo) as address, tunnel(address) as both:

        def fail() -> Address:
            raise ZeroDivisionError

        monkeypatch.setattr(both.client._pool, "_server", fail)
        app = await both.connect()
        with pytest.raises(TransportError, match="reset"):
            await app.receive()
    gc.collect()
    assert "ZeroDivisionError" in str(caught)


async def test_a_restarted_server_serves_new_connections_at_once() -> None:
    target = Target()
    async with serving(target) as address, tunnel(address) as both:
        where = both.server.addresses[0]
        old = await both.connect()
        await old.send(b"before")
        assert await read_exactly(await target.accept(), 6) == b"before"
        server = both.server._server
        assert server
        # As if the process had been killed: nobody is told.
        server._close_udp()
        server._driver.wake()
        again = KcptunServerRole(
            server_config(address, listen=PortRange(where.host, where.port, where.port))
        )
        await again.start()
        async with asyncio.timeout(PATIENCE):
            await old.send(b"after")
            with pytest.raises(TransportError, match="reset"):
                await old.receive()
            new = await both.connect()
            await new.send(b"hello")
            assert await read_exactly(await target.accept(), 5) == b"hello"
        new.abort()
        await again.stop()


# --- the end ------------------------------------------------------------------------------------


async def test_stop_lets_streams_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_log, "QUIET", 1000)
    target = Target()
    async with serving(target) as address, tunnel(address) as both:
        where = both.client.addresses[0]
        app = await both.connect()
        far = await target.accept()
        stopping = asyncio.create_task(both.client.stop(100))
        await until(lambda: not both.client.addresses)
        with pytest.raises(TransportError):
            await TcpDialer().connect(where)
        await far.send(b"in time")
        await far.send_eof()
        assert await read_all(app) == b"in time"
        assert not stopping.done()
        await app.send_eof()
        assert await far.receive() == b""
        async with asyncio.timeout(PATIENCE):
            await stopping


@pytest.mark.parametrize("grace", [0, 0.05])
async def test_stop_breaks_the_rest_off(grace: float) -> None:
    target = Target()
    async with serving(target) as address, tunnel(address) as both:
        app = await both.connect()
        far = await target.accept()
        async with asyncio.timeout(PATIENCE):
            await both.client.stop(grace)
            for end in (app, far):
                with pytest.raises(TransportError, match="reset"):
                    await end.receive()


async def test_stop_resets_idle_streams_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_log, "QUIET", 0.05)
    target = Target()
    async with serving(target) as address, tunnel(address) as both:
        app = await both.connect()
        await app.send(b"hello")
        far = await target.accept()
        assert await read_exactly(far, 5) == b"hello"
        async with asyncio.timeout(PATIENCE):
            await both.client.stop(1000)
            for end in (app, far):
                with pytest.raises(TransportError, match="reset"):
                    await end.receive()


async def test_stop_lets_a_slow_reader_have_what_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_log, "QUIET", 0.05)
    data = bytes(3_000_000)
    target = Target()
    async with serving(target) as address, tunnel(address) as both:
        app = await both.connect()
        far = await target.accept()
        await app.send(b"request")
        assert await read_exactly(far, 7) == b"request"
        sending = asyncio.create_task(far.send(data))
        assert await app.receive()
        stopping = asyncio.create_task(both.client.stop(1000))
        with pytest.raises(TimeoutError):  # the application pauses
            async with asyncio.timeout(0.3):
                await asyncio.shield(stopping)
        sending.cancel()
        await asyncio.wait([sending])
        await both.client.stop()
        await asyncio.wait([stopping])


async def test_a_second_stop_hurries_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_log, "QUIET", 1000)
    target = Target()
    async with serving(target) as address, tunnel(address) as both:
        app = await both.connect()
        await target.accept()
        stopping = asyncio.create_task(both.client.stop(100))
        await until(lambda: not both.client.addresses)
        stopping.cancel()
        await asyncio.wait([stopping])
        async with asyncio.timeout(PATIENCE):
            await both.client.stop()
            with pytest.raises(TransportError, match="reset"):
                await app.receive()


async def test_stop_resets_connections_that_wait_for_a_session() -> None:
    role = KcptunClientRole(client_config(Address("nobody.invalid", 1)))
    await role.start()
    apps = [await TcpDialer().connect(role.addresses[0]) for _ in range(3)]
    await until(lambda: len(role._waiting) == len(apps))
    await role.stop(100)
    for app in apps:
        with pytest.raises(TransportError, match="reset"):
            await app.receive()
    await until(lambda: len(asyncio.all_tasks()) == 1)  # the lookup of the name ends by itself


async def test_many_short_connections_leave_nothing_behind() -> None:
    async with serving(echo) as address, tunnel(address, conn=2, quiet=True) as both:

        async def one() -> None:
            app = await both.connect()
            await app.send(b"x" * 10_000)
            await app.send_eof()
            assert len(await read_all(app)) == 10_000
            await app.aclose()

        async def many(rounds: int) -> tuple[int, int]:
            for _ in range(rounds):
                await asyncio.gather(*(one() for _ in range(50)))
            for role in (both.client, both.server):
                await role._relays.stop(tuple)
            gc.collect()
            return descriptors(), resident()

        open_before, memory_before = await many(5)
        open_after, memory_after = await many(15)
        assert open_after <= open_before + 2
        assert memory_after - memory_before < 8 << 20
        sessions = both.client._pool.sessions()
        assert all(session.is_idle and not session._owned for session in sessions)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("class_", StreamClass)
async def test_connections_have_the_class_of_the_client(class_: StreamClass) -> None:
    target = Target()
    async with serving(target) as address, tunnel(address, class_=class_) as both:
        app = await both.connect()
        await app.send(b"x")
        await target.accept()
        (session,) = both.client._pool.sessions()
        core = session._driver.core
        assert [core.stream_class(key) for key in session._relayed] == [class_]
