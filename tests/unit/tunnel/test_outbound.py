from __future__ import annotations

import pytest

from blinktun.address import Address
from blinktun.config.model import PresetSpec, ServerLink
from blinktun.errors import LocalError, TransportError
from blinktun.presets.registry import PipelineMaker
from blinktun.testing.scripted import ScriptedStream
from blinktun.transports.base import Dialer, Stream
from blinktun.tunnel.outbound import DirectOutbound
from blinktun.tunnel.targets import DATAGRAMS

SERVER = Address("192.0.2.1", 7000)
TARGET = Address("192.0.2.9", 80)
HEADER = b"\x01\xc0\x00\x02\x09\x00\x50"


class ScriptedDialer(Dialer):
    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream
        self.asked: list[Address] = []
        self.interactive = 0

    async def connect(self, address: Address) -> Stream:
        self.asked.append(address)
        if self.stream is None:
            raise TransportError("refused", peer=str(address))
        return self.stream

    async def connect_interactive(self, address: Address) -> Stream:
        self.interactive += 1
        return await self.connect(address)


def _outbound(stream: Stream | None) -> tuple[DirectOutbound, ScriptedDialer]:
    dialer = ScriptedDialer(stream)
    link = ServerLink("tcp", SERVER, "secret", (PresetSpec("ss-base"),))
    return DirectOutbound(link, PipelineMaker(link.presets), dialer), dialer


async def test_a_connection_for_each_target() -> None:
    wire = ScriptedStream([b"answer"])
    outbound, dialer = _outbound(wire)
    assert outbound.sends_lone_header
    stream = await outbound.open(TARGET)
    assert wire.sent == b""
    await stream.send(b"hello")
    assert wire.sent == HEADER + b"hello"
    assert await stream.receive() == b"answer"
    await outbound.open(TARGET)
    assert dialer.asked == [SERVER, SERVER]
    await outbound.aclose()


async def test_names_and_datagrams_go_before_other_streams() -> None:
    outbound, dialer = _outbound(ScriptedStream([]))
    for target in (TARGET, Address("192.0.2.9", 53), DATAGRAMS):
        await outbound.open(target)
    assert (len(dialer.asked), dialer.interactive) == (3, 2)


async def test_no_connection() -> None:
    outbound, _ = _outbound(None)
    with pytest.raises(TransportError, match="refused"):
        await outbound.open(TARGET)


async def test_a_target_that_does_not_fit_costs_no_connection() -> None:
    outbound, dialer = _outbound(None)
    with pytest.raises(LocalError):
        await outbound.open(Address("x" * 300, 80))
    assert dialer.asked == []
