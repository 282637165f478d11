"""The two kcptun roles on UNIX sockets, on IPv6 and on ranges of ports."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import select
import socket
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.tunnel.kcptun import SETTINGS, client_config, server_config
from tests.unit.waiting import PATIENCE, until

from blinktun.address import Address
from blinktun.config.model import KcpLink, KcptunClient, PortRange
from blinktun.errors import TransportError
from blinktun.kcp import api
from blinktun.testing.loopback import ANY_PORT, echo, serving
from blinktun.tunnel.kcptun_client import KcptunClientRole
from blinktun.tunnel.kcptun_server import KcptunServerRole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from blinktun.config.model import StreamAddress

BIG = random.Random(2).randbytes(3 << 20)

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Connections:
    """What a listener of plain asyncio accepts."""

    def __init__(self) -> None:
        self._accepted: asyncio.Queue[Ends] = asyncio.Queue()

    def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._accepted.put_nowait((reader, writer))

    async def accept(self) -> Ends:
        async with asyncio.timeout(PATIENCE):
            return await self._accepted.get()


@asynccontextmanager
async def started(
    local: StreamAddress, target: StreamAddress, listen: PortRange
) -> AsyncIterator[tuple[KcptunClientRole, KcptunServerRole]]:
    async with AsyncExitStack() as stack:
        server = KcptunServerRole(replace(server_config(ANY_PORT, listen=listen), target=target))
        await server.start()
        stack.push_async_callback(server.stop)
        near = client_config(server.addresses[0])
        if listen.first:
            near = replace(near, remoteaddr=listen)
        client = KcptunClientRole(replace(near, localaddr=local))
        await client.start()
        stack.push_async_callback(client.stop)
        yield client, server


@asynccontextmanager
async def unix_tunnel(folder: Path) -> AsyncIterator[tuple[Ends, Ends]]:
    """An application's and its target's end of one connection, UNIX sockets both."""
    local, target = folder / "local.sock", folder / "target.sock"
    connections = Connections()
    async with (
        await asyncio.start_unix_server(connections, target),
        started(local, target, PortRange("127.0.0.1", 0, 0)),
    ):
        near = await asyncio.open_unix_connection(local)
        near[1].write(b"first")
        far = await connections.accept()
        assert await far[0].readexactly(5) == b"first"
        with closing(near[1]), closing(far[1]):
            yield near, far
    assert not local.exists()


async def test_bytes_and_half_closes_pass_over_unix_sockets(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), unix_tunnel(tmp_path) as (near, far):
        near[1].write(BIG)
        near[1].write_eof()
        assert await far[0].read() == BIG
        far[1].write(BIG)
        far[1].write_eof()
        assert await near[0].read() == BIG


async def test_a_connection_over_unix_sockets_has_its_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with asyncio.timeout(PATIENCE), unix_tunnel(tmp_path) as (near, far):
        for end in (near, far):
            end[1].write_eof()
        await until(lambda: caplog.text.count("stream closed") == 2)
    assert f"listening on: {tmp_path}/local.sock, remote address: 127.0.0.1:" in caplog.text
    assert f"target: {tmp_path}/target.sock, " in caplog.text
    assert f"stream closed in: {tmp_path}/local.sock out: 127.0.0.1:" in caplog.text
    assert f"(2) out: {tmp_path}/target.sock: sent" in caplog.text.replace("(3)", "(2)")
    assert caplog.text.count("s: clean") == 2


@pytest.mark.parametrize("breaks", ["near", "far"])
async def test_who_still_sends_sees_a_reset_over_unix_sockets(tmp_path: Path, breaks: str) -> None:
    """Linux resets a UNIX connection that is closed with unread input."""
    async with asyncio.timeout(PATIENCE), unix_tunnel(tmp_path) as (near, far):
        breaker, other = (near, far) if breaks == "near" else (far, near)
        breaker[1].transport.pause_reading()  # type: ignore[attr-defined]
        with pytest.raises(ConnectionError):
            await _send_for_ever(other[1], until_paused=breaker[1])


async def _send_for_ever(
    writer: asyncio.StreamWriter, *, until_paused: asyncio.StreamWriter
) -> None:
    """Fill the whole way, then break its far end off, and send on."""
    try:
        async with asyncio.timeout(0.5):
            while True:
                writer.write(BIG)
                await writer.drain()
    except TimeoutError:
        until_paused.transport.abort()
    while True:
        writer.write(BIG)
        await writer.drain()


def _unread(writer: asyncio.StreamWriter) -> bool:
    with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as same:
        return bool(select.select([same], [], [], 0)[0])


async def test_who_only_listens_sees_an_end_and_cannot_write_any_more(tmp_path: Path) -> None:
    """A UNIX socket has no reset: this is as far as an abort can be told."""
    async with asyncio.timeout(PATIENCE), unix_tunnel(tmp_path) as (near, far):
        near[1].write(b"unread")
        await near[1].drain()
        far[1].transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: _unread(far[1]))
        far[1].transport.abort()
        assert await near[0].read() == b""
        own = os.dup(near[1].get_extra_info("socket").fileno())
        with socket.socket(fileno=own) as same, pytest.raises(BrokenPipeError):
            same.send(b"more")


async def test_a_unix_target_that_nobody_serves_resets_the_stream(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "nobody.sock"
    async with started(ANY_PORT, target, PortRange("127.0.0.1", 0, 0)) as (client, _):
        reader, writer = await asyncio.open_connection(*_where(client.addresses[0]))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
    assert f"target {target}: No such file or directory" in caplog.text


def _where(address: Address) -> tuple[str, int]:
    return address.host, address.port


async def test_a_unix_path_in_use_is_named(tmp_path: Path) -> None:
    path = tmp_path / "k.sock"
    async with await asyncio.start_unix_server(Connections(), path):
        role = KcptunClientRole(replace(client_config(ANY_PORT), localaddr=path))
        with pytest.raises(TransportError, match=f"cannot listen on UNIX socket {path}: .*in use"):
            await role.start()
        assert role.addresses == ()
        await role.stop()


# --- IPv6 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listen", "remote"),
    [("::1", "::1"), ("::", "::1"), ("::", "127.0.0.1"), ("", "::1"), ("", "localhost"), ("", "")],
)
async def test_every_way_to_write_an_address(listen: str, remote: str) -> None:
    async with serving(echo) as target:
        server = KcptunServerRole(server_config(target, listen=PortRange(listen, 0, 0)))
        await server.start()
        port = server.addresses[0].port
        config = replace(client_config(Address(remote, port)), localaddr=Address("::1", 0))
        client = KcptunClientRole(config)
        await client.start()
        await _ask(client.addresses[0])
        await client.stop()
        await server.stop()


async def test_a_target_on_ipv6() -> None:
    connections = Connections()
    async with await asyncio.start_server(connections, "::1", 0) as target:
        port = target.sockets[0].getsockname()[1]
        async with started(ANY_PORT, Address("::1", port), PortRange("::1", 0, 0)) as (client, _):
            _, near = await asyncio.open_connection(*_where(client.addresses[0]))
            near.write(b"hello")
            reader, far = await connections.accept()
            assert await reader.readexactly(5) == b"hello"
            near.close()
            far.close()


async def _ask(address: Address) -> None:
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(*_where(address))
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()


async def test_the_servers_name_is_resolved_for_each_session(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hosts = iter(["127.0.0.1", "::1"])

    async def resolve(address: Address) -> list[str]:
        assert address.host == "moving.example"
        return [next(hosts)]

    monkeypatch.setattr(api, "resolve", resolve)
    async with serving(echo) as target:
        server = KcptunServerRole(server_config(target, listen=PortRange("", 0, 0)))
        await server.start()
        port = server.addresses[0].port
        client = KcptunClientRole(client_config(Address("moving.example", port), conn=2))
        await client.start()
        for _ in range(2):
            await _ask(client.addresses[0])
        await client.stop()
        await server.stop()
    for peer in (f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert f"-> {peer}\n" in caplog.text


# --- ranges ---------------------------------------------------------------------------------


def free_range(count: int) -> PortRange:
    """Neighbouring UDP ports of 127.0.0.1 that nobody has."""
    while True:
        first = random.randrange(20_000, 30_000)
        sockets: list[socket.socket] = []
        try:
            for port in range(first, first + count):
                sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                sockets[-1].bind(("127.0.0.1", port))
        except OSError:
            continue
        finally:
            for taken in sockets:
                taken.close()
        return PortRange("127.0.0.1", first, first + count - 1)


async def test_sessions_spread_over_the_ports_of_a_range(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    ports = free_range(4)
    async with serving(echo) as target, started(ANY_PORT, target, ports) as (client, server):
        assert [address.port for address in server.addresses] == list(ports.ports)
        many = KcptunClientRole(KcptunClient(ANY_PORT, ports, KcpLink(SETTINGS, conn=40)))
        await many.start()
        for _ in range(40):
            await _ask(many.addresses[0])
        sessions = many._pool.sessions()
        assert len(sessions) == 40
        used = {Address.parse(session.peer).port for session in sessions}
        assert used == set(ports.ports)  # one is left out once in 25,000 runs
        await many.stop()
        await _ask(client.addresses[0])
    assert server.addresses == ()
    assert f"listening on: {ports}, target: " in caplog.text


async def test_a_busy_port_of_a_range_is_named_and_no_other_stays_open() -> None:
    ports = free_range(3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", ports.last))
        role = KcptunServerRole(server_config(ANY_PORT, listen=ports))
        with pytest.raises(TransportError, match=f"udp 127.0.0.1:{ports.last}: .*in use"):
            await role.start()
        assert role.addresses == ()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", ports.first))
