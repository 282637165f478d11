from __future__ import annotations

import asyncio

import pytest
from tests.unit.transports.ends import link_over, listening

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.transports import h2, tls
from blinktun.transports.resolver import Resolver


async def test_who_does_not_offer_http2_is_dropped() -> None:
    async with listening(link_over("h2")) as (listener, accepted):
        address = Address("localhost", listener.addresses[0].port)
        stranger = await tls.dialer(link_over("tls"), Resolver()).connect(address)
        with pytest.raises(TransportError):
            await stranger.receive()
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
