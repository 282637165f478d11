from __future__ import annotations

import asyncio

import pytest
from tests.unit.waiting import until

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.net.udp import Route, UdpPort, UdpSocket, routed

Received = asyncio.Queue[tuple[bytes, Address]]


def _listen(host: str) -> tuple[UdpSocket, Received]:
    received: Received = asyncio.Queue()
    sockets = UdpSocket.listen(Address(host, 0), lambda *got: received.put_nowait(got))
    assert len(sockets) == 1
    return sockets[0], received


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_there_and_back(host: str) -> None:
    server, at_server = _listen(host)
    back: Received = asyncio.Queue()
    client = UdpSocket.unbound(host, lambda *got: back.put_nowait(got))
    for payload in (b"hello", b"", bytes(9000)):
        client.send(payload, server.address)
        data, source = await asyncio.wait_for(at_server.get(), 10)
        assert data == payload
        server.send(data + b"!", source)
        assert await asyncio.wait_for(back.get(), 10) == (payload + b"!", server.address)
    client.close()
    server.close()
    server.close()
    server.send(b"late", client_address := Address(host, 9))
    assert client_address.port == 9


async def test_every_local_address() -> None:
    sockets = UdpSocket.listen(Address("", 0), lambda *_got: None)
    assert {socket.address.host for socket in sockets} <= {"0.0.0.0", "::"}
    for socket in sockets:
        socket.close()


async def test_an_address_that_is_taken() -> None:
    server, _ = _listen("127.0.0.1")
    with pytest.raises(TransportError, match=r"cannot listen on udp .* in use by another"):
        UdpSocket.listen(server.address, lambda *_got: None)
    with pytest.raises(TransportError, match="cannot listen"):
        UdpSocket.listen(Address("no-such-name.invalid", 1), lambda *_got: None)
    server.close()


async def test_what_cannot_be_sent_is_lost() -> None:
    server, received = _listen("127.0.0.1")
    server.send(bytes(70_000), server.address)
    server.send(b"x", Address("no-such-name.invalid", 1))
    unheard = Address("127.0.0.1", 1)
    for _ in range(3):
        server.send(b"x", unheard)  # ICMP errors come back
        await asyncio.sleep(0.01)
    server.send(b"heard", server.address)
    assert (await asyncio.wait_for(received.get(), 10))[0] == b"heard"
    server.close()


async def test_closed_by_who_receives() -> None:
    received: list[bytes] = []

    def close(data: bytes, _source: Address) -> None:
        received.append(data)
        server.close()

    server = UdpSocket.listen(Address("127.0.0.1", 0), close)[0]
    client = UdpSocket.unbound("127.0.0.1", lambda *_got: None)
    for _ in range(3):
        client.send(b"x", server.address)
    await until(lambda: received)
    await asyncio.sleep(0.01)
    assert received == [b"x"]
    client.close()


async def test_a_port_answers_once_from_the_family_of_who_asked() -> None:
    def echo(data: bytes, route: Route) -> None:
        port.send(data, route)

    port = UdpPort(Address("127.0.0.1", 0), echo)
    back: Received = asyncio.Queue()
    client = UdpSocket.unbound("127.0.0.1", lambda *got: back.put_nowait(got))
    client.send(b"hello", Address("127.0.0.1", port.port))
    data, source = await asyncio.wait_for(back.get(), 10)
    assert (data, source.port) == (b"hello", port.port)
    await asyncio.sleep(0.01)
    assert back.empty()
    client.close()
    port.close()


@pytest.mark.parametrize(
    ("host", "asked"), [("0.0.0.0", "127.0.0.2"), ("", "127.0.0.3"), ("", "::1"), ("::", "::1")]
)
async def test_an_answer_leaves_from_the_address_that_was_asked(host: str, asked: str) -> None:
    def echo(data: bytes, route: Route) -> None:
        assert route.local == asked
        port.send(data, route)

    port = UdpPort(Address(host, 0), echo)
    back: Received = asyncio.Queue()
    client = UdpSocket.unbound(asked, lambda *got: back.put_nowait(got))
    for payload in (b"hello", b"", bytes(9000)):
        client.send(payload, Address(asked, port.port))
        assert await asyncio.wait_for(back.get(), 10) == (payload, Address(asked, port.port))
    client.close()
    port.close()


async def test_an_address_that_is_gone_is_not_insisted_on() -> None:
    port = UdpPort(Address("0.0.0.0", 0), lambda *_got: None)
    back: Received = asyncio.Queue()
    client = UdpSocket.unbound("127.0.0.1", lambda *got: back.put_nowait(got))
    port.send(b"hello", Route(Address("127.0.0.1", client.address.port), "192.0.2.77"))
    assert (await asyncio.wait_for(back.get(), 10))[0] == b"hello"
    client.close()
    port.close()


def test_of_several_addresses_the_first_with_a_route_is_taken() -> None:
    nowhere = ["fe80::1", "255.255.255.255"]  # need a scope, and a right
    assert routed([*nowhere, "127.0.0.1", "127.0.0.2"]) == "127.0.0.1"
    assert routed(nowhere) == "fe80::1"
    assert routed(["fe80::1"]) == "fe80::1"
