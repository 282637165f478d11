from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.config.model import PresetSpec, ServerLink
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.registry import PipelineMaker
from blinktun.testing.loopback import answering
from blinktun.transports.resolver import Resolver
from blinktun.tunnel.udp_path import Path, udp_path_maker

if TYPE_CHECKING:
    import pytest

PRESETS = (PresetSpec("ss-base"), PresetSpec("ss-aead-cipher"))
TARGET = Address("example.com", 53)
Answers = asyncio.Queue[tuple[Address, bytes]]


def _path(server: Address) -> tuple[Path, Answers]:
    answers: Answers = asyncio.Queue()
    link = ServerLink("tcp", server, "secret", PRESETS)
    make = udp_path_maker(link, PipelineMaker(PRESETS), Resolver())
    return make(lambda *got: answers.put_nowait(got)), answers


async def test_there_and_back_by_name() -> None:
    server = PipelineMaker(PRESETS)(PresetContext(Role.SERVER, "secret"))

    def answer(data: bytes) -> bytes:
        target, payload = server.decode_datagram(data)
        assert target == TARGET
        return server.encode_datagram(payload.upper(), target)

    async with answering(answer) as address:
        path, answers = _path(Address("localhost", address.port))
        for payload in (b"early", b"", b"late"):
            path.send(TARGET, payload)
            assert await asyncio.wait_for(answers.get(), 10) == (TARGET, payload.upper())
        path.close()


async def test_answers_that_are_none() -> None:
    async with answering(lambda _data: b"noise") as address:
        path, answers = _path(address)
        path.send(TARGET, b"hello")
        path.send(Address("x" * 300, 1), b"does not fit")
        await asyncio.sleep(0.05)
        assert answers.empty()
        path.close()
        path.send(TARGET, b"late")


async def test_no_server(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    path, _ = _path(Address("no-such-name.invalid", 53))
    for _ in range(100):
        path.send(TARGET, b"x")
    async with asyncio.timeout(10):
        while not caplog.messages:
            await asyncio.sleep(0.01)
    assert caplog.messages[0].startswith("no UDP to no-such-name.invalid:53: ")
    path.close()
