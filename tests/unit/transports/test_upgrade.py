from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.transports.ends import Accepted
from tests.unit.waiting import until

from blinktun.errors import TransportError
from blinktun.testing.loopback import ANY_PORT, read_all, serving
from blinktun.transports import tcp, upgrade
from blinktun.transports.tcp import TcpDialer
from blinktun.transports.upgrade import Refused, UpgradingDialer, UpgradingListener, listen

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.transports.base import Listener, Stream


async def _first_byte(wire: Stream) -> Stream | Refused:
    if await wire.receive() != b"?":
        return Refused("said something else", b"what?")
    return wire


async def _never(wire: Stream, _address: Address | None = None) -> Stream:
    await wire.receive()
    raise TransportError("came to nothing", peer=wire.peer)


async def _said(data: bytes, *, to: Listener) -> Stream:
    stream = await TcpDialer().connect(to.addresses[0])
    await stream.send(data)
    return stream


async def test_who_shakes_hands_gets_in() -> None:
    accepted = Accepted()
    listener = await listen(ANY_PORT, accepted, accept=_first_byte)
    stream = await _said(b"?", to=listener)
    (await accepted.next()).abort()
    stream.abort()
    await listener.aclose()


async def test_who_does_not_is_answered_and_closed(caplog: pytest.LogCaptureFixture) -> None:
    accepted = Accepted()
    with caplog.at_level("INFO"):
        listener = await listen(ANY_PORT, accepted, accept=_first_byte)
        stream = await _said(b"!", to=listener)
        assert await read_all(stream) == b"what?"
    assert "said something else" in caplog.text
    assert not accepted.waiting
    await listener.aclose()
    stream.abort()


async def test_or_left_to_somebody_else() -> None:
    refused = Accepted()
    listener = await listen(ANY_PORT, Accepted(), accept=_first_byte, on_refused=refused)
    stream = await _said(b"!", to=listener)
    prober = await refused.next()
    assert await prober.receive() == b"!"
    await stream.send(b"more")
    await stream.send_eof()
    assert await read_all(prober) == b"more"
    await prober.aclose()
    assert await read_all(stream) == b""
    stream.abort()
    await listener.aclose()


async def test_what_was_secured_and_fails_then_is_refused_too() -> None:
    async def secure(wire: Stream) -> Stream:
        await wire.send(b"ssh")
        return wire

    refused = Accepted()
    listener = await listen(
        ANY_PORT, Accepted(), secure=secure, accept=_first_byte, on_refused=refused
    )
    stream = await _said(b"!", to=listener)
    assert await stream.receive() == b"ssh"
    assert await (await refused.next()).receive() == b"!"
    stream.abort()
    await listener.aclose()


async def test_who_cannot_be_secured_is_none() -> None:
    refused = Accepted()
    listener = await listen(ANY_PORT, Accepted(), secure=_never, on_refused=refused)
    stream = await _said(b"!", to=listener)
    assert await read_all(stream) == b""
    assert not refused.waiting
    stream.abort()
    await listener.aclose()


async def test_a_peer_that_is_not_secured_is_answered_on_the_wire() -> None:
    refused = Accepted()
    listener = await listen(
        ANY_PORT, Accepted(), secure=_first_byte, accept=_never, on_refused=refused
    )
    stream = await _said(b"!", to=listener)
    assert await read_all(stream) == b"what?"
    assert not refused.waiting
    stream.abort()
    await listener.aclose()


@pytest.mark.parametrize("words", [b"", b"?"])
@pytest.mark.parametrize("end", ["eof", "time"])
async def test_silence_is_strange_too(
    words: bytes, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade, "HANDSHAKE_TIMEOUT", 0.05 if end == "time" else 60)

    async def two_bytes(wire: Stream) -> Stream | Refused:
        while await wire.receive():
            pass
        return Refused("ended")

    refused = Accepted()
    listener = await listen(ANY_PORT, Accepted(), accept=two_bytes, on_refused=refused)
    stream = await _said(words, to=listener)
    if end == "eof":
        await stream.send_eof()
    prober = await refused.next()
    if end == "time":
        await stream.send_eof()
    assert await read_all(prober) == words
    prober.abort()
    stream.abort()
    await listener.aclose()


async def test_handshakes_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "HANDSHAKE_TIMEOUT", 0.02)
    listener = await listen(ANY_PORT, Accepted(), accept=_first_byte)
    silent = await TcpDialer().connect(listener.addresses[0])
    assert await read_all(silent) == b""
    silent.abort()
    await listener.aclose()
    async with serving(_hush) as address:
        with pytest.raises(TransportError, match="no handshake in time") as caught:
            await UpgradingDialer(TcpDialer(), _never).connect(address)
        assert isinstance(caught.value.__cause__, TimeoutError)


async def test_too_many_handshakes_end_the_oldest() -> None:
    accepted = Accepted()
    listener = UpgradingListener(accepted, accept=_first_byte, limit=2)
    await listener.start(ANY_PORT)
    slow = [await TcpDialer().connect(listener.addresses[0]) for _ in range(4)]
    for stream in slow[:2]:
        with pytest.raises(TransportError):
            await stream.receive()
    await slow[3].send(b"?")
    (await accepted.next()).abort()
    slow[2].abort()
    slow[3].abort()
    await listener.aclose()


async def test_a_bug_in_a_handshake_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def buggy(wire: Stream) -> Stream:
        raise ZeroDivisionError(wire.peer)

    listener = await listen(ANY_PORT, Accepted(), accept=buggy)
    stream = await TcpDialer().connect(listener.addresses[0])
    with pytest.raises(TransportError):
        await stream.receive()
    assert "ZeroDivisionError" in caplog.text
    await listener.aclose()


async def test_closing_breaks_handshakes_off() -> None:
    accepted = Accepted()
    listener = await listen(ANY_PORT, accepted, accept=_first_byte)
    streams = [await TcpDialer().connect(listener.addresses[0]) for _ in range(3)]
    await until(lambda: len(listener._tasks) == 3)
    await listener.aclose()
    for stream in streams:
        with pytest.raises(TransportError):
            await stream.receive()


async def test_a_handshake_that_ends_before_it_began() -> None:
    listener = UpgradingListener(Accepted(), accept=_first_byte)
    assert listener.addresses == ()
    wire = await _one_wire()
    listener._take(wire)
    await listener.aclose()
    with pytest.raises(TransportError):
        await wire.receive()


async def _hush(stream: Stream) -> None:
    while await stream.receive():
        pass


async def _one_wire() -> Stream:
    accepted = Accepted()
    listener = await tcp.listen(ANY_PORT, accepted)
    stream = await TcpDialer().connect(listener.addresses[0])
    wire = await accepted.next()
    await listener.aclose()
    stream.abort()
    return wire
