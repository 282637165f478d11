from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.net.udp import UdpSocket
from blinktun.proxies.socks5_udp import pack_datagram, unpack_datagram
from blinktun.testing.loopback import ANY_PORT
from blinktun.tunnel.udp_inbound import UdpInbound
from blinktun.tunnel.udp_path import Path

if TYPE_CHECKING:
    import pytest

    from blinktun.tunnel.udp_exit import OnAnswer

TARGET = Address("example.com", 53)


class EchoPath(Path):
    made = 0

    def __init__(self, on_answer: OnAnswer) -> None:
        EchoPath.made += 1
        self.on_answer = on_answer
        self.closed = False

    def send(self, target: Address, payload: bytes) -> None:
        self.on_answer(target, payload.upper())

    def close(self) -> None:
        self.closed = True


def _app() -> tuple[UdpSocket, asyncio.Queue[bytes]]:
    received: asyncio.Queue[bytes] = asyncio.Queue()
    app = UdpSocket.unbound("127.0.0.1", lambda data, _from: received.put_nowait(data))
    return app, received


async def test_each_application_has_its_way() -> None:
    inbound = UdpInbound(EchoPath, for_all=True)
    inbound.start(ANY_PORT)
    relay = Address("127.0.0.1", inbound.port)
    before = EchoPath.made
    for app, received in (_app(), _app()):
        for payload in (b"a", b"bc"):
            app.send(b"malformed", relay)
            app.send(pack_datagram(TARGET, payload), relay)
            data = await asyncio.wait_for(received.get(), 10)
            assert unpack_datagram(data) == (TARGET, payload.upper())
        app.close()
    assert EchoPath.made == before + 2
    inbound.stop()
    assert inbound.port == 0


async def test_a_password_first(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    inbound = UdpInbound(EchoPath, for_all=False)
    inbound.start(ANY_PORT)
    relay = Address("127.0.0.1", inbound.port)
    app, received = _app()
    app.send(pack_datagram(TARGET, b"early"), relay)
    await until(lambda: "no password from there" in caplog.text)
    inbound.admit("127.0.0.1")
    app.send(pack_datagram(TARGET, b"late"), relay)
    assert (await asyncio.wait_for(received.get(), 10)).endswith(b"LATE")
    app.close()
    inbound.stop()
