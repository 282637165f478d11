"""Datagrams from an application to a target and back, over every list of presets that can."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.tunnel.test_probing import LISTS
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.config.model import (
    BlinksocksServer,
    Credentials,
    Inbound,
    PresetSpec,
    ServerLink,
)
from blinktun.errors import TransportError
from blinktun.net.udp import Route, UdpSocket
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.registry import PRESETS, PipelineMaker
from blinktun.testing.loopback import ANY_PORT, Datagrams, answering, tunnel
from blinktun.tunnel.blinksocks_server import BlinksocksServerRole
from blinktun.tunnel.udp_server import UdpServer

CIPHERS = [
    (),
    (PresetSpec("ss-stream-cipher"),),
    (PresetSpec("ss-aead-cipher"),),
    (PresetSpec("ss-stream-cipher", {"method": "rc4-md5"}), PresetSpec("ss-aead-cipher")),
]


@pytest.mark.parametrize("ciphers", CIPHERS, ids=["bare", "stream", "aead", "both"])
async def test_through_both_ends(ciphers: tuple[PresetSpec, ...]) -> None:
    presets = (PresetSpec("ss-base"), *ciphers)
    async with tunnel(Inbound.SOCKS, presets=presets) as there, answering(bytes.upper) as target:
        app = await Datagrams.associate(there.entry)
        assert app.relay == there.entry
        for payload in (b"", b"a", bytes(1200), b"last"):
            app.send(target, payload)
            assert await app.receive() == (target, payload.upper())
        app.close()


async def test_each_datagram_to_its_own_target() -> None:
    async with (
        tunnel(Inbound.SOCKS) as there,
        answering(lambda data: data + b"1") as one,
        answering(lambda data: data + b"2") as two,
    ):
        app = await Datagrams.associate(there.entry)
        for target, digit in ((one, b"1"), (two, b"2"), (one, b"1")):
            app.send(target, b"to ")
            assert await app.receive() == (target, b"to " + digit)
        app.close()


async def test_noise_does_not_hurt_the_others() -> None:
    async with tunnel(Inbound.SOCKS) as there, answering(bytes.upper) as target:
        app = await Datagrams.associate(there.entry)
        noise = UdpSocket.unbound("127.0.0.1", lambda *_got: None)
        for size in range(200):
            noise.send(bytes(size), there.server.addresses[0])
            app.send_raw(bytes(size))
        app.send(target, b"hello")
        assert await app.receive() == (target, b"HELLO")
        noise.close()
        app.close()


async def test_noise_makes_nothing() -> None:
    """Not an association, nor a socket: whatever the noise, from however many sources."""
    async with tunnel(Inbound.SOCKS) as there, answering(bytes.upper) as target:
        app = await Datagrams.associate(there.entry)
        app.send(target, b"hello")
        assert await app.receive() == (target, b"HELLO")
        datagrams = there.server._datagrams
        assert isinstance(datagrams, UdpServer)
        opened = 0

        def counted(data: bytes, route: Route) -> None:
            nonlocal opened
            opened += 1
            UdpServer._receive(datagrams, data, route)

        for number in range(2000):
            counted(bytes(number % 300), Route(Address(f"192.0.2.{number % 250}", number + 1), ""))
        assert opened == 2000
        assert len(datagrams._associations) == 1
        app.send(target, b"again")
        assert await app.receive() == (target, b"AGAIN")
        app.close()


@pytest.mark.parametrize("ciphers", CIPHERS, ids=["bare", "stream", "aead", "both"])
async def test_a_recorded_datagram_is_not_served_again(ciphers: tuple[PresetSpec, ...]) -> None:
    """From whatever source. Without a cipher equal datagrams are usual, and pass."""
    presets = (PresetSpec("ss-base"), *ciphers)
    seen: list[bytes] = []

    def answer(data: bytes) -> bytes:
        seen.append(data)
        return data

    async with tunnel(Inbound.SOCKS, presets=presets) as there, answering(answer) as target:
        datagrams = there.server._datagrams
        assert isinstance(datagrams, UdpServer)
        client = PipelineMaker(presets)(PresetContext(Role.CLIENT, "secret"))
        recorded = [client.encode_datagram(b"pay", target) for _ in range(2)]
        for number in (1, 1, 2):
            datagrams._receive(recorded[0], Route(Address("127.0.0.1", number), ""))
        datagrams._receive(recorded[1], Route(Address("127.0.0.1", 3), ""))
        wanted = 2 if ciphers else 4
        await until(lambda: len(seen) == wanted)
        datagrams._receive(recorded[1], Route(Address("127.0.0.1", 4), ""))
        last = client.encode_datagram(b"last", target)
        datagrams._receive(last, Route(Address("127.0.0.1", 5), ""))
        await until(lambda: b"last" in seen)
        assert len(seen) == wanted + (1 if ciphers else 2)


@pytest.mark.parametrize("name", LISTS)
async def test_every_list_of_presets_can_serve_datagrams(name: str) -> None:
    link = ServerLink("tcp", ANY_PORT, "secret", LISTS[name])
    role = BlinksocksServerRole(BlinksocksServer(link))
    await role.start()
    await role.stop()


async def test_an_association_ends_with_its_control_connection() -> None:
    async with tunnel(Inbound.SOCKS) as there, answering(bytes.upper) as target:
        app = await Datagrams.associate(there.entry)
        app.send(target, b"hello")
        assert await app.receive() == (target, b"HELLO")
        app.leave()
        inbound = there.client._datagrams
        assert inbound is not None
        await until(lambda: not inbound._bound)
        app.send(target, b"late")
        with pytest.raises(TimeoutError):
            await app.receive(within=0.2)
        app.close()


async def test_a_password_comes_first() -> None:
    credentials = Credentials("user", "pass")
    async with tunnel(Inbound.SOCKS, credentials=credentials) as there:
        with pytest.raises((AssertionError, TransportError)):
            await Datagrams.associate(there.entry)


@pytest.mark.parametrize("inbound", [Inbound.HTTP])
async def test_only_socks_has_words_for_it(inbound: Inbound) -> None:
    async with tunnel(inbound) as there:
        socket = UdpSocket.listen(there.entry, lambda *_got: None)[0]
        socket.close()


async def test_a_port_that_is_taken_stops_the_server_whole() -> None:
    async with tunnel(Inbound.SOCKS) as there:
        taken = there.server.addresses[0]
    blocker = UdpSocket.listen(Address(taken.host, 0), lambda *_got: None)[0]
    link = ServerLink("tcp", blocker.address, "secret", (PresetSpec("ss-base"),))
    role = BlinksocksServerRole(BlinksocksServer(link))
    with pytest.raises(TransportError, match="cannot listen"):
        await role.start()
    assert role.addresses == ()
    blocker.close()


async def test_many_applications() -> None:
    async with tunnel(Inbound.SOCKS) as there, answering(bytes.upper) as target:

        async def exchange(number: int) -> None:
            app = await Datagrams.associate(there.entry)
            for _ in range(5):
                app.send(target, b"n%d" % number)
                assert await app.receive() == (target, b"N%d" % number)
            app.close()

        await asyncio.gather(*(exchange(number) for number in range(20)))


def test_every_preset_says_whether_it_carries_datagrams() -> None:
    assert all(isinstance(preset.carries_datagrams, bool) for preset in PRESETS.values())
