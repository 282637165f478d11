from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.unit.transports.ends import Accepted, certificate, link_over, listening

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.net.resolve import Resolver
from blinktun.testing.loopback import read_all
from blinktun.transports import h2, tls
from blinktun.transports.tcp import TcpDialer
from blinktun.transports.tls import TlsStream
from blinktun.transports.tls_context import client_context
from blinktun.transports.upgrade import BAD_REQUEST

if TYPE_CHECKING:
    from blinktun.transports.base import Stream


async def test_who_does_not_offer_http2_hears_no() -> None:
    async with listening(link_over("h2")) as (listener, accepted):
        address = Address("localhost", listener.addresses[0].port)
        browser = await tls.dialer(link_over("tls"), Resolver()).connect(address)
        await browser.send(b"GET")
        assert await read_all(browser) == BAD_REQUEST
        await browser.aclose()
        assert not accepted.waiting


@pytest.mark.parametrize("alpn", [(), ("http/1.1",), ("spdy/1",)])
async def test_or_is_left_to_somebody_else(alpn: tuple[str, ...]) -> None:
    refused = Accepted()
    async with listening(link_over("h2"), refused) as (listener, accepted):
        wire = await TcpDialer().connect(listener.addresses[0])
        browser = TlsStream(wire, client_context(certificate(), alpn=alpn), server_name="localhost")
        await browser.handshake()
        assert browser.alpn == ("http/1.1" if "http/1.1" in alpn else None)
        await browser.send(b"GET")
        prober = await refused.next()
        assert await prober.receive() == b"GET"
        await prober.send(b"200")
        assert await browser.receive() == b"200"
        await asyncio.gather(prober.aclose(), browser.aclose())
        assert not accepted.waiting


async def test_a_server_that_does_not_offer_it() -> None:
    async with listening(link_over("tls")) as (listener, accepted):
        address = Address("localhost", listener.addresses[0].port)
        with pytest.raises(TransportError, match="does not offer HTTP/2"):
            await h2.dialer(link_over("h2"), Resolver()).connect(address)
        (await accepted.next()).abort()


async def test_every_path_is_as_good() -> None:
    async with listening(link_over("h2", path="/one")) as (listener, accepted):
        address = Address("localhost", listener.addresses[0].port)
        near = await h2.dialer(link_over("h2", path="/another"), Resolver()).connect(address)
        far = await accepted.next()
        await far.send(b"welcome")
        assert await near.receive() == b"welcome"
        await asyncio.gather(near.aclose(), far.aclose())


async def test_connections_without_streams_end_with_the_listener(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(h2, "_FAREWELL", 0.1)
    async with listening(link_over("h2")) as (listener, _accepted):
        wire = await TcpDialer().connect(listener.addresses[0])
        idle = TlsStream(wire, client_context(certificate(), alpn=("h2",)), server_name="localhost")
        await idle.handshake()
        assert await idle.receive()
        await listener.aclose()
        async with asyncio.timeout(5):
            await listener.release()
        with pytest.raises(TransportError):  # not ended by us, and so broken off
            await read_all(wire)
    assert len(asyncio.all_tasks()) == 1


async def test_a_dialer_ends_what_its_streams_have_left() -> None:
    async with listening(link_over("h2")) as (listener, accepted):
        address = Address("localhost", listener.addresses[0].port)
        dialer = h2.dialer(link_over("h2"), Resolver())
        near = await dialer.connect(address)
        far = await accepted.next()
        await asyncio.gather(near.aclose(), far.aclose())
        async with asyncio.timeout(5):
            await dialer.aclose()


async def test_a_bug_in_a_connection_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def buggy(stream: Stream) -> None:
        raise ZeroDivisionError(stream.peer)

    listener = await h2.listen(link_over("h2"), buggy)
    dialer = h2.dialer(link_over("h2"), Resolver())
    near = await dialer.connect(Address("localhost", listener.addresses[0].port))
    await near.send(b"hello")
    with pytest.raises(TransportError):
        await near.receive()
    assert "ZeroDivisionError" in caplog.text
    await listener.aclose()
    await listener.release()
    await dialer.aclose()
