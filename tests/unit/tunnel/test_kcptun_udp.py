"""UDP through the kcptun roles."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.kcp.support import Way, deaf_port
from tests.unit.tunnel.kcptun import SETTINGS, client_config, server_config
from tests.unit.waiting import PATIENCE, until

from blinktun import kcp
from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.kcp import pool
from blinktun.kcp.datagram_port import DatagramPort
from blinktun.kcp.driver import Driver
from blinktun.kcp.pool import SessionPool
from blinktun.net.resolve import Resolver
from blinktun.tunnel import kcptun_udp
from blinktun.tunnel.kcptun_client import KcptunClientRole
from blinktun.tunnel.kcptun_server import KcptunServerRole
from blinktun.tunnel.kcptun_udp import UdpExit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blinktun.kcp.keys import StreamKey

Ports = tuple[int, ...] | None


class Application:
    """A UDP socket of an application or a target."""

    def __init__(self, to: Address | None = None) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        if to:
            self._socket.connect((to.host, to.port))

    @property
    def address(self) -> Address:
        return Address(*self._socket.getsockname())

    def send(self, data: bytes) -> None:
        self._socket.send(data)

    async def receive(self, within: float = PATIENCE) -> bytes:
        async with asyncio.timeout(within):
            return await asyncio.get_running_loop().sock_recv(self._socket, 70_000)

    def echo(self) -> None:
        """Send back what comes, from now on."""

        def answer() -> None:
            data, source = self._socket.recvfrom(70_000)
            self._socket.sendto(data[::-1], source)

        asyncio.get_running_loop().add_reader(self._socket, answer)

    async def ask(self, data: bytes) -> bytes:
        """The answer. It is asked again, as applications do: one may be lost when a flow ends."""
        async with asyncio.timeout(PATIENCE):
            while True:
                self.send(data)
                with contextlib.suppress(TimeoutError):
                    return await self.receive(within=1.0)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Both roles, and a target that sends back what it gets, last byte first."""

    client: KcptunClientRole
    server: KcptunServerRole
    way: Way
    target: Application
    stack: AsyncExitStack

    def application(self, at: int = 0) -> Application:
        made = Application(self.client.udp_addresses[at])
        self.stack.callback(made.close)
        return made


@asynccontextmanager
async def tunnel(near: Ports = (), far: Ports = (), *, host: str = "") -> AsyncIterator[Tunnel]:
    async with AsyncExitStack() as stack:
        target = Application()
        stack.callback(target.close)
        target.echo()
        where = replace(target.address, host=host) if host else target.address
        server = KcptunServerRole(replace(server_config(where), udp=far))
        await server.start()
        stack.push_async_callback(server.stop)
        way = Way(server.addresses[0])
        stack.callback(way.close)
        client = KcptunClientRole(replace(client_config(way.address), udp=near))
        await client.start()
        stack.push_async_callback(client.stop)
        yield Tunnel(client, server, way, target, stack)


@pytest.mark.parametrize("host", ["", "localhost", "0.0.0.0"])
async def test_each_source_gets_its_answers(host: str) -> None:
    async with tunnel(host=host) as both:
        applications = [both.application() for _ in range(20)]
        for number, application in enumerate(applications):
            application.send(b"hello from %d" % number)
        for number, application in enumerate(applications):
            assert await application.receive() == (b"hello from %d" % number)[::-1]
        assert await applications[0].ask(b"") == b""
        assert await applications[1].ask(bytes(range(256)) * 100) == bytes(range(255, -1, -1)) * 100


async def test_it_listens_where_tcp_does() -> None:
    async with tunnel() as both:
        assert list(both.client.udp_addresses) == list(both.client.addresses)


async def test_a_list_of_ports() -> None:
    async with tunnel() as probe:
        free = probe.client.udp_addresses[0].port
    async with AsyncExitStack() as stack:
        target = Application()
        stack.callback(target.close)
        target.echo()
        wanted = target.address.port
        # The client's port must be the target's, so it listens on another address.
        config = server_config(Address("127.0.0.1", free))
        server = KcptunServerRole(replace(config, udp=(wanted,)))
        await server.start()
        stack.push_async_callback(server.stop)
        near = replace(client_config(server.addresses[0]), localaddr=Address("127.0.0.2", 0))
        client = KcptunClientRole(replace(near, udp=(wanted,)))
        await client.start()
        stack.push_async_callback(client.stop)
        assert [str(where) for where in client.udp_addresses] == [f"127.0.0.2:{wanted}"]
        application = Application(client.udp_addresses[0])
        stack.callback(application.close)
        assert await application.ask(b"abc") == b"cba"


async def test_a_port_that_the_server_does_not_name(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[Address] = []
    monkeypatch.setattr(DatagramPort, "refuse", lambda _, source: dropped.append(source))
    async with tunnel(far=(9,)) as both:
        assert both.client._udp
        refused = both.client._udp._refusals[b""]
        text = "refuses its target's port: its udp does not name it"

        async def try_it(number: int) -> None:
            both.application().send(b"x")
            await until(lambda: refused._in_a_row == number)

        for number in range(1, kcptun_udp._REFUSALS + 1):
            assert text not in caplog.text
            await try_it(number)
        assert "asks for port" in caplog.text
        assert text in caplog.text
        assert caplog.text.count("does not name") == 2, "a line at each end"
        application = both.application()
        application.send(b"y")
        await until(lambda: dropped == [application.address])  # none is tried again at once
        assert flows_in_use() == 0
        assert refused._in_a_row == kcptun_udp._REFUSALS


async def test_a_flow_that_the_server_ends_stops_no_other() -> None:
    async with tunnel() as both:
        first = both.application()
        assert await first.ask(b"abc") == b"cba"
        assert both.server._udp
        (flow,) = both.server._udp._targets
        both.server._udp._close(flow)
        await until(lambda: not flows_in_use())
        assert await both.application().ask(b"def") == b"fed"
        assert await first.ask(b"ghi") == b"ihg"


def test_refusals_in_a_row_make_the_pauses_grow() -> None:
    refusals = kcptun_udp._Refusals()
    assert not refusals.add(0.0, 0.1)
    assert not refusals.add(0.0, 0.1), "those that were tried together count once"
    assert not refusals.add(0.05, 0.2)
    assert not refusals.add(0.3, 0.4)
    pauses = []
    now = 1.0
    for _ in range(5):
        assert refusals.add(now, now + 0.1)
        began = now
        while refusals.blocks(now):
            now += 1.0
        pauses.append(now - began)
    assert pauses == [11.0, 21.0, 41.0, 61.0, 61.0]
    later = now + kcptun_udp._IN_A_ROW
    assert not refusals.add(later, later), "they are forgotten"


@pytest.mark.parametrize("far", [None])
async def test_a_server_without_udp(far: Ports, caplog: pytest.LogCaptureFixture) -> None:
    async with tunnel(far=far) as both:
        application = both.application()
        application.send(b"x")
        await until(lambda: "takes no datagrams: it needs blinktun's kcptun-server" in caplog.text)
        assert [record.levelno for record in caplog.records if "datagrams" in record.message] == [
            logging.WARNING
        ]


async def test_a_server_that_does_not_answer(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kcptun_udp, "_PATIENCE", 0.1)
    with deaf_port() as deaf:
        config = client_config(Address(*deaf.getsockname()))
        client = KcptunClientRole(replace(config, udp=()))
        await client.start()
        application = Application(client.udp_addresses[0])
        for _ in range(2):
            application.send(b"x")
            await until(flows_in_use)
            await until(lambda: not flows_in_use())
        application.close()
        await client.stop()
    assert "has not said for 0.1 s whether it takes datagrams: is it reachable" in caplog.text
    assert "takes no datagrams" not in caplog.text


async def test_what_is_idle_ends_at_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kcptun_udp, "IDLE", 0.3)
    monkeypatch.setattr(kcptun_udp, "_LOOK", 0.01)
    monkeypatch.setattr(kcptun_udp, "_AT_ONCE", 0.0)  # such a short life is no refusal here
    async with tunnel() as both:
        application = both.application()
        for _ in range(3):
            assert await application.ask(b"abc") == b"cba"
            await until(lambda: not flows_in_use())


def flows_in_use() -> int:
    sessions = Driver.current().sessions.values()
    return sum(getattr(session, "flows", 0) for session in sessions)


async def test_a_session_that_ends_takes_no_source_with_it() -> None:
    async with tunnel() as both:
        application = both.application()
        assert await application.ask(b"abc") == b"cba"
        for session in both.client._pool.sessions():
            session.close()
        await until(lambda: not both.client._pool.sessions())
        assert await application.ask(b"def") == b"fed"


async def test_a_source_leaves_a_session_whose_path_is_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "_FLOW_PATIENCE", 0.0)
    async with tunnel() as both:
        application = both.application()
        assert await application.ask(b"abc") == b"cba"
        (old,) = both.client._pool.sessions()
        both.way.cut()
        assert await application.ask(b"def") == b"fed"
        assert old not in both.client._pool.sessions()[:1]


async def test_a_source_that_waits_is_asked_about_once(monkeypatch: pytest.MonkeyPatch) -> None:
    dialled = asyncio.Event()
    original = SessionPool.dial
    waiting: list[SessionPool] = []

    async def dial(sessions: SessionPool) -> kcp.Session:
        waiting.append(sessions)
        await dialled.wait()
        return await original(sessions)

    monkeypatch.setattr(SessionPool, "dial", dial)
    async with tunnel() as both:
        application = both.application()
        assert both.client._udp
        ((port, _),) = both.client._udp._ports
        source = application.address
        for _ in range(3):  # as the core does when a source has waited for 5 seconds
            both.client._udp._on_source(port, b"", source)
        application.send(b"abc")
        await until(lambda: waiting)
        dialled.set()
        assert await application.ask(b"abc") == b"cba"
        assert len(waiting) == 1
        assert flows_in_use() == 2, "one, as both ends see it"


async def test_an_address_of_the_target_without_a_route_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def resolve(_resolver: Resolver, _host: str, **_: bool) -> list[str]:
        return ["255.255.255.255", "127.0.0.1"]

    monkeypatch.setattr(Resolver, "resolve", resolve)
    async with tunnel(host="two.example") as both:
        assert await both.application().ask(b"abc") == b"cba"


@pytest.mark.parametrize(
    ("host", "dialled"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.0.2.1", "192.0.2.1")],
)
def test_every_address_is_the_loopback_address_to_a_sender(host: str, dialled: str) -> None:
    assert kcptun_udp._dialable(Address(host, 53)) == Address(dialled, 53)


@asynccontextmanager
async def exit_to(host: str) -> AsyncIterator[tuple[UdpExit, kcp.Session, kcp.Server]]:
    """The UDP of a server, and a client's session with it."""
    way_out = UdpExit(server_config(Address(host, 9)), Address(host, 9))
    near, far = SETTINGS, replace(SETTINGS, smuxver=None)

    def refuse(session: kcp.Session, key: StreamKey) -> None:
        session.reset(key)

    server = kcp.Server(Address("127.0.0.1", 0), far, refuse, on_flow=way_out.on_flow)
    async with server, await kcp.connect(server.address, near) as session:
        yield way_out, session, server
        await way_out.aclose()


async def test_two_openings_of_one_flow_leave_no_socket_behind() -> None:
    async with exit_to("127.0.0.1") as (way_out, session, server):
        driver = Driver.current()
        flow = session.open_flow()
        await flow.send(b"x")
        await until(lambda: way_out._targets)
        assert len(driver.ports) == 1
        (far,) = server.sessions.values()
        (key,) = way_out._targets
        way_out.on_flow(far, key)  # as if the end between the two had been forgotten
        assert (way_out._targets, driver.ports, far.flows) == ({}, {}, 0)


async def test_a_flow_that_ends_while_its_target_is_looked_up_gets_no_socket(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []
    found = asyncio.Event()

    async def resolve(_resolver: Resolver, host: str, **_: bool) -> list[str]:
        asked.append(host)
        await found.wait()
        return ["127.0.0.1"]

    monkeypatch.setattr(Resolver, "resolve", resolve)
    async with exit_to("slow.example") as (way_out, session, server):
        flow = session.open_flow()
        await flow.send(b"x")
        await until(lambda: asked)
        (far,) = server.sessions.values()
        assert far.flows == 1
        (key,) = far._joined
        flow.close()
        await until(lambda: not far.flows)
        way_out.on_flow(far, key)  # gone already, as one that was opened and ended in one turn
        found.set()
        await until(lambda: len(way_out._background._tasks) == 1)  # that which looks for idle ones
        assert not way_out._targets
        assert not Driver.current().ports
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_server_that_stops_takes_no_more_flows() -> None:
    async with tunnel() as both:
        assert both.client._udp
        both.server._stopping = True
        both.application().send(b"x")
        await until(lambda: both.client._udp and both.client._udp._refusals[b""]._in_a_row)
        assert both.server._udp
        assert not both.server._udp._targets


async def test_a_port_that_is_taken() -> None:
    async with tunnel() as both:
        taken = both.client.udp_addresses[0].port
        config = client_config(both.server.addresses[0])
        role = KcptunClientRole(replace(config, udp=(taken,)))
        with pytest.raises(TransportError, match=f"127.0.0.1:{taken}"):
            await role.start()
