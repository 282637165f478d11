"""Both ends of a connection over any transport."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.config.model import ServerLink, Tls
from blinktun.net.resolve import Resolver
from blinktun.testing.certificates import self_signed
from blinktun.testing.loopback import ANY_PORT
from blinktun.transports.registry import find_transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blinktun.transports.base import Listener, Stream

BIG = bytes(range(256)) * 8192  # 2 MiB


@cache
def certificate() -> Tls:
    """For localhost and 127.0.0.1."""
    return self_signed(Path(tempfile.mkdtemp()), "localhost", "127.0.0.1")


def link_over(transport: str, address: Address = ANY_PORT, *, path: str = "/") -> ServerLink:
    return ServerLink(transport, address, "key", path=path, tls=certificate())


class Accepted:
    """The streams that a listener has taken in."""

    def __init__(self) -> None:
        self._streams: asyncio.Queue[Stream] = asyncio.Queue()

    def __call__(self, stream: Stream) -> None:
        self._streams.put_nowait(stream)

    async def next(self) -> Stream:
        async with asyncio.timeout(10):
            return await self._streams.get()

    @property
    def waiting(self) -> int:
        return self._streams.qsize()


@asynccontextmanager
async def listening(
    link: ServerLink, refused: Accepted | None = None
) -> AsyncIterator[tuple[Listener, Accepted]]:
    accepted = Accepted()
    listener = await find_transport(link).listen(link, accepted, refused)
    try:
        yield listener, accepted
    finally:
        await listener.aclose()
        await listener.release()


@asynccontextmanager
async def connected(transport: str, *, path: str = "/") -> AsyncIterator[tuple[Stream, Stream]]:
    """The client's stream and the server's, which are aborted at the end."""
    link = link_over(transport, path=path)
    async with listening(link) as (listener, accepted):
        address = Address("localhost", listener.addresses[0].port)
        dialer = find_transport(link).dialer(link, Resolver())
        near = await dialer.connect(address)
        await near.send(b"!")  # some servers hear of a stream by its first bytes
        far = await accepted.next()
        assert await far.receive() == b"!"
        try:
            yield near, far
        finally:
            near.abort()
            far.abort()
            await dialer.aclose()
