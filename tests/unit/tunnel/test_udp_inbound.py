from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.net.udp import UdpSocket
from blinktun.proxies.socks5_udp import pack_datagram, unpack_datagram
from blinktun.relay.relay import Traffic
from blinktun.testing.loopback import ANY_PORT
from blinktun.tunnel.udp_inbound import UdpInbound
from blinktun.tunnel.udp_path import Path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blinktun.tunnel.udp_exit import OnAnswer

TARGET = Address("example.com", 53)
HOST = "127.0.0.1"


class EchoPath(Path):
    made: list[EchoPath]

    def __init__(self, on_answer: OnAnswer) -> None:
        EchoPath.made.append(self)
        self.on_answer = on_answer
        self.closed = False

    def send(self, target: Address, payload: bytes) -> None:
        self.on_answer(target, payload.upper())

    def close(self) -> None:
        self.closed = True


class App:
    """A socket of an application."""

    def __init__(self, relay: UdpInbound) -> None:
        self._relay = Address(HOST, relay.port)
        self._received: asyncio.Queue[bytes] = asyncio.Queue()
        self.socket = UdpSocket.unbound(HOST, lambda data, _from: self._received.put_nowait(data))

    def send(self, payload: bytes) -> None:
        self.socket.send(pack_datagram(TARGET, payload), self._relay)

    def send_raw(self, data: bytes) -> None:
        self.socket.send(data, self._relay)

    async def answer(self) -> bytes:
        source, payload = unpack_datagram(await asyncio.wait_for(self._received.get(), 10))
        assert source == TARGET
        return payload

    @property
    def is_unanswered(self) -> bool:
        return self._received.empty()


@pytest.fixture(autouse=True)
def _no_paths() -> None:
    EchoPath.made = []


@pytest.fixture
async def inbound() -> Iterator[UdpInbound]:  # type: ignore[misc]
    made = UdpInbound(EchoPath)
    made.start(ANY_PORT)
    yield made
    made.stop()
    assert made.port == 0


async def test_each_application_has_its_way(inbound: UdpInbound) -> None:
    for _ in range(2):
        app, traffic = App(inbound), Traffic()
        association = inbound.associate(HOST, traffic)
        for payload in (b"a", b"bc"):
            app.send_raw(b"malformed")
            app.send(payload)
            assert await app.answer() == payload.upper()
        assert (traffic.up, traffic.down) == (3, 3)
        association.close()
        app.socket.close()
    assert [path.closed for path in EchoPath.made] == [True, True]


async def test_no_datagram_passes_without_a_control_connection(
    inbound: UdpInbound, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    app = App(inbound)
    app.send(b"early")
    await until(lambda: "it has no association" in caplog.text)
    elsewhere = inbound.associate("192.0.2.1", Traffic())  # of another host
    caplog.clear()
    app.send(b"early")
    await until(lambda: "it has no association" in caplog.text)
    association = inbound.associate(HOST, Traffic())
    app.send(b"now")
    assert await app.answer() == b"NOW"
    association.close()
    caplog.clear()
    app.send(b"late")
    await until(lambda: "it has no association" in caplog.text)
    assert app.is_unanswered
    elsewhere.close()
    app.socket.close()


async def test_an_association_is_bound_to_its_first_socket(
    inbound: UdpInbound, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    app, other = App(inbound), App(inbound)
    association = inbound.associate(HOST, Traffic())
    app.send(b"mine")
    assert await app.answer() == b"MINE"
    other.send(b"mine too")
    await until(lambda: "it has no association" in caplog.text)
    second = inbound.associate(HOST, Traffic())
    other.send(b"now")
    assert await other.answer() == b"NOW"
    second.close()
    app.send(b"still mine")
    assert await app.answer() == b"STILL MINE"
    association.close()
    app.socket.close()
    other.socket.close()


async def test_a_way_that_was_not_used_is_made_again(inbound: UdpInbound) -> None:
    app = App(inbound)
    association = inbound.associate(HOST, Traffic())
    app.send(b"a")
    assert await app.answer() == b"A"
    assert association.route is not None
    inbound._paths.drop(association.route)
    app.send(b"b")
    assert await app.answer() == b"B"
    assert len(EchoPath.made) == 2
    association.close()
    app.socket.close()


async def test_nothing_is_left_of_what_has_ended(inbound: UdpInbound) -> None:
    for _ in range(100):
        inbound.associate(HOST, Traffic()).close()
    assert not inbound._waiting
    assert not inbound._bound
