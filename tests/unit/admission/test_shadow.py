from __future__ import annotations

import asyncio

import pytest

from blinktun.admission.shadow import Shadow
from blinktun.errors import TransportError
from blinktun.testing.duplex import DuplexStream


async def test_the_service_gets_what_the_peer_sends() -> None:
    peer, wire = DuplexStream.pair()
    service, far = DuplexStream.pair()
    shadow = Shadow(wire, service)
    await peer.send(b"hello")
    assert await shadow.receive() == b"hello"
    assert await far.receive() == b"hello"
    await peer.send_eof()
    assert await shadow.receive() == b""
    assert await far.receive() == b""
    assert shadow.answer is None


async def test_the_service_has_the_word_once_it_has_spoken() -> None:
    peer, wire = DuplexStream.pair()
    service, far = DuplexStream.pair()
    shadow = Shadow(wire, service)
    await peer.send(b"hello")
    await far.send(b"400")
    assert await shadow.receive() is None
    assert shadow.answer == b"400"
    assert await far.receive() == b"hello"


@pytest.mark.parametrize("how", ["ends", "breaks"])
async def test_a_service_that_is_gone_has_spoken_too(how: str) -> None:
    _peer, wire = DuplexStream.pair()
    service, far = DuplexStream.pair()
    shadow = Shadow(wire, service)
    if how == "ends":
        await far.send_eof()
    else:
        far.abort()
    assert await asyncio.wait_for(shadow.receive(), 5) is None
    assert shadow.answer == b""


async def test_a_peer_that_breaks() -> None:
    peer, wire = DuplexStream.pair()
    shadow = Shadow(wire, DuplexStream.pair()[0])
    peer.abort()
    with pytest.raises(TransportError):
        await shadow.receive()
