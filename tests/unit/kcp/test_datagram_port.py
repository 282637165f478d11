"""UDP sockets and flows, joined by hand. The roles that do so have tests of their own."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest
from tests.unit.kcp.support import SETTINGS, descriptors, echo
from tests.unit.waiting import PATIENCE, until

from blinktun import kcp
from blinktun.address import Address
from blinktun.errors import InternalError, TransportError
from blinktun.kcp import DatagramClass
from blinktun.kcp.datagram_port import DatagramPort, DatagramTarget

if TYPE_CHECKING:
    from blinktun.kcp.keys import FlowKey

TOLD = (DatagramClass.PLAIN, b"")


def udp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind(("127.0.0.1", 0))
    return made


async def back(flow: kcp.Flow) -> None:
    async for data in flow:
        await flow.send(b"<" + data)


async def test_what_a_source_has_sent_waits_for_its_flow() -> None:
    sources: asyncio.Queue[Address] = asyncio.Queue()
    ends: list[str] = []
    server = await kcp.serve(echo, "127.0.0.1:0", SETTINGS, datagrams=back)
    async with server, await kcp.connect(server.address, SETTINGS) as session:
        port = DatagramPort(udp(), sources.put_nowait)
        with udp() as application:
            application.connect((port.address.host, port.address.port))
            for number in range(3):
                application.send(b"%d" % number)
            source = await sources.get()
            assert source == Address(*application.getsockname())
            port.join(source, session, TOLD, lambda: ends.append("peer"))
            async with asyncio.timeout(PATIENCE):
                loop = asyncio.get_running_loop()
                got = [await loop.sock_recv(application, 10) for _ in range(3)]
            assert got == [b"<0", b"<1", b"<2"]
            assert sources.empty(), "it is told once"
            assert session.flows == 1
            port.end_idle(1000.0)
            assert session.flows == 1
            port.end_idle(0.0)
            assert (session.flows, ends) == (0, [])
            application.send(b"again")
            assert await sources.get() == source
            port.refuse(source)
            application.send(b"and again")
            assert await sources.get() == source
            port.join(source, session, TOLD, lambda: ends.append("peer"))
        session.close()
        await until(lambda: ends == ["peer"])
        with pytest.raises(TransportError):
            port.join(source, session, TOLD, lambda: None)
        port.close()


async def test_a_source_has_one_flow_however_often_it_is_joined() -> None:
    sources: asyncio.Queue[Address] = asyncio.Queue()
    server = await kcp.serve(echo, "127.0.0.1:0", SETTINGS, datagrams=back)
    async with server, await kcp.connect(server.address, SETTINGS) as session:
        port = DatagramPort(udp(), sources.put_nowait)
        with udp() as application:
            application.connect((port.address.host, port.address.port))
            application.send(b"once")
            source = await sources.get()
            for _ in range(3):
                port.join(source, session, TOLD, lambda: None)
            assert session.flows == 1
            stats = session.stats()
            assert stats
            assert stats.flows == 1
            port.end_idle(0.0)
            assert session.flows == 0
            port.join(source, session, TOLD, lambda: None)  # nobody asks for it any more
            assert session.flows == 0
        port.close()


async def test_a_target_gets_what_came_before_it() -> None:
    targets: list[DatagramTarget] = []

    with udp() as target:

        async def connect(flow: kcp.Flow) -> None:
            (far,) = server.sessions.values()
            where = Address(*target.getsockname())
            targets.append(DatagramTarget(udp(), where, far, flow.key, lambda: None))
            await asyncio.Event().wait()

        server = await kcp.serve(echo, "127.0.0.1:0", SETTINGS, datagrams=connect)
        async with server, await kcp.connect(server.address, SETTINGS) as session:
            flow = session.open_flow()
            await flow.send(b"one")
            await flow.send(b"two")
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(PATIENCE):
                assert [await loop.sock_recv(target, 10) for _ in range(2)] == [b"one", b"two"]
            assert not targets[0].is_idle(1000.0)
            (far,) = server.sessions.values()
            before = descriptors()
            with pytest.raises(TransportError, match="has a UDP socket already"):
                DatagramTarget(udp(), Address("127.0.0.1", 9), far, targets[0]._flow, lambda: None)
            assert descriptors() == before
            targets[0].close()
            await until(lambda: not session.flows)
            (far,) = server.sessions.values()
            with pytest.raises(TransportError):
                DatagramTarget(udp(), Address("127.0.0.1", 9), far, flow.key, lambda: None)


async def test_a_target_may_have_a_scope() -> None:
    made: list[DatagramTarget | TransportError] = []

    def connect(session: kcp.Session, flow: FlowKey) -> None:
        for host in ("fe80::1%nowhere", "fe80::1%lo"):
            try:
                made.append(DatagramTarget(udp(), Address(host, 9), session, flow, lambda: None))
            except TransportError as error:
                made.append(error)

    server = kcp.Server(
        Address("127.0.0.1", 0), SETTINGS, lambda session, key: session.reset(key), on_flow=connect
    )
    async with server, await kcp.connect(server.address, SETTINGS) as session:
        await session.open_flow().send(b"x")
        await until(lambda: len(made) == 2)
        failure, target = made
        assert isinstance(failure, TransportError)
        assert isinstance(target, DatagramTarget)
        target.close()


async def test_a_failure_of_the_core_ends_ports_targets_and_flows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    driver = kcp.Driver.current()
    sources: asyncio.Queue[Address] = asyncio.Queue()
    targets: asyncio.Queue[DatagramTarget] = asyncio.Queue()
    ends: list[str] = []

    def connect(session: kcp.Session, flow: FlowKey) -> None:
        where = Address("127.0.0.1", 9)
        made = DatagramTarget(udp(), where, session, flow, lambda: ends.append("target"))
        targets.put_nowait(made)

    server = kcp.Server(
        Address("127.0.0.1", 0), SETTINGS, lambda session, key: session.reset(key), on_flow=connect
    )
    session = await kcp.connect(server.address, SETTINGS)
    port = DatagramPort(udp(), sources.put_nowait)
    with udp() as application:
        application.connect((port.address.host, port.address.port))
        application.send(b"x")
        source = await sources.get()
        port.join(source, session, TOLD, lambda: ends.append("source"))
        async with asyncio.timeout(PATIENCE):
            target = await targets.get()
        with pytest.raises(InternalError, match="as a test wants it"):
            driver.core.fail_for_tests()
        driver.wake()
        await until(lambda: session.is_closed and not server.sessions)
        assert sorted(ends) == ["source", "target"]
        assert session.takes_datagrams is False
        # All of this is too late, and harmless.
        port.end_idle(0.0)
        port.refuse(source)
        with pytest.raises(TransportError):
            port.join(source, session, TOLD, lambda: None)
        port.close()
        assert not target.is_idle(0.0)
        target.close()
        session.close()
        await session.aclose()
        assert (session.flows, session.stats(), driver.ports) == (0, None, {})
    assert not [record for record in caplog.records if record.exc_info]


def test_the_end_of_a_loop_closes_ports() -> None:
    """Though the loop was only closed, and somebody still has the port."""

    async def leave_open() -> tuple[DatagramPort, kcp.Session]:
        return DatagramPort(udp(), lambda _: None), await kcp.connect("127.0.0.1:9", SETTINGS)

    async def next_driver() -> None:
        kcp.Driver.current()

    loop = asyncio.new_event_loop()
    port, _session = loop.run_until_complete(leave_open())
    where = port.address
    loop.close()
    asyncio.run(next_driver())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as successor:
        successor.bind((where.host, where.port))
    assert port.is_closed
    port.close()
