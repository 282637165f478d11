"""What applications do with a client, and what targets see of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from blinktun.errors import TransportError
from blinktun.presets.socks_address import pack
from blinktun.testing.loopback import read_all, read_exactly
from blinktun.transports.tcp import TcpDialer, TcpStream

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.transports.base import Stream


async def socks5(entry: Address, target: Address) -> TcpStream:
    stream = await TcpDialer().connect(entry)
    await stream.send(b"\x05\x01\x00")
    assert await read_exactly(stream, 2) == b"\x05\x00"
    await stream.send(b"\x05\x01\x00" + pack(target))
    assert (await read_exactly(stream, 10))[1] == 0
    return stream


async def exchange(stream: Stream, data: bytes) -> bytes:
    """Send everything and the end, and read everything that comes back."""

    async def send() -> None:
        for at in range(0, len(data), 100_000):
            await stream.send(data[at : at + 100_000])
        await stream.send_eof()

    sending = asyncio.create_task(send())
    received = await read_all(stream)
    await sending
    await stream.aclose()
    return received


class Watching:
    """A target that only reads.

    Attributes:
        heard: What it has read so far.
        seen: How that ended: ``a clean end`` or ``a reset``.
    """

    def __init__(self) -> None:
        self.heard = b""
        self.seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def serve(self, stream: Stream) -> None:
        try:
            while data := await stream.receive():
                self.heard += data
        except TransportError:
            self.seen.set_result("a reset")
        else:
            self.seen.set_result("a clean end")
