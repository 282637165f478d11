from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.unit.transports.ends import Accepted

from blinktun.errors import TransportError
from blinktun.testing.loopback import ANY_PORT
from blinktun.transports import tcp, upgrade
from blinktun.transports.tcp import TcpDialer
from blinktun.transports.upgrade import UpgradingDialer, listen

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.transports.base import Stream


async def _first_byte(wire: Stream, _address: Address | None = None) -> Stream:
    if await wire.receive() != b"?":
        raise TransportError("said something else", peer=wire.peer)
    return wire


async def test_who_shakes_hands_gets_in() -> None:
    accepted = Accepted()
    listener = await listen(ANY_PORT, _first_byte, accepted)
    stream = await TcpDialer().connect(listener.addresses[0])
    await stream.send(b"?")
    (await accepted.next()).abort()
    stream.abort()
    await listener.aclose()


async def test_who_does_not_is_broken_off(caplog: pytest.LogCaptureFixture) -> None:
    accepted = Accepted()
    with caplog.at_level("INFO"):
        listener = await listen(ANY_PORT, _first_byte, accepted)
        stream = await TcpDialer().connect(listener.addresses[0])
        await stream.send(b"!")
        with pytest.raises(TransportError):
            await stream.receive()
    assert "said something else" in caplog.text
    assert not accepted.waiting
    await listener.aclose()


async def test_handshakes_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "_HANDSHAKE_TIMEOUT", 0.02)
    listener = await listen(ANY_PORT, _first_byte, Accepted())
    with pytest.raises(TransportError, match="no handshake in time") as caught:
        await UpgradingDialer(TcpDialer(), _first_byte).connect(listener.addresses[0])
    assert isinstance(caught.value.__cause__, TimeoutError)
    await listener.aclose()


async def test_closing_breaks_handshakes_off() -> None:
    accepted = Accepted()
    listener = await listen(ANY_PORT, _first_byte, accepted)
    streams = [await TcpDialer().connect(listener.addresses[0]) for _ in range(3)]
    await asyncio.sleep(0.05)
    await listener.aclose()
    for stream in streams:
        with pytest.raises(TransportError):
            await stream.receive()


async def test_a_handshake_that_ends_before_it_began() -> None:
    listener = upgrade.UpgradingListener(_first_byte, Accepted())
    assert listener.addresses == ()
    wire = await _one_wire()
    listener._take(wire)
    await listener.aclose()
    with pytest.raises(TransportError):
        await wire.receive()


async def _one_wire() -> Stream:
    accepted = Accepted()
    listener = await tcp.listen(ANY_PORT, accepted)
    stream = await TcpDialer().connect(listener.addresses[0])
    wire = await accepted.next()
    await listener.aclose()
    stream.abort()
    return wire
