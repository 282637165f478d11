"""A UDP path that somebody else can hear and write to."""

from __future__ import annotations

import asyncio
import random
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from tests.interop.harness.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Address = tuple[str, int]

_NONCE, _HEAD = 16, 20
_KEPT = 4_096


class Eavesdropper(asyncio.DatagramProtocol):
    """Carries datagrams between one client and a server, and adds copies and forgeries.

    After every datagram it sends one more to the same end: one heard before in either direction,
    as it was; one heard in the same direction, under another nonce where no cipher prevents that;
    one whose bytes are changed; one whose numbers are guessed.

    Attributes:
        added: Datagrams that it added.
    """

    def __init__(self, server: Address, *, can_reseal: bool) -> None:
        self.port = free_port()
        self.added = 0
        self._server = server
        self._can_reseal = can_reseal
        self._client: Address | None = None
        self._heard: dict[Address, list[bytes]] = {}
        self._random = random.Random(1)
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the socket is open."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, sender: Address) -> None:
        """asyncio: carry it, and add one."""
        if sender != self._server:
            self._client = sender
        to = self._client if sender == self._server else self._server
        if to is None or self._transport is None:
            return
        self._transport.sendto(data, to)
        self._remember(data, self._heard.setdefault(to, []))
        self._transport.sendto(self._forge(to), to)
        self.added += 1

    def _remember(self, data: bytes, heard: list[bytes]) -> None:
        if len(heard) < _KEPT:
            heard.append(data)
        else:
            # The first ones stay: an old opening is the most dangerous thing to hear again.
            heard[self._random.randrange(_KEPT // 64, _KEPT)] = data

    def _forge(self, to: Address) -> bytes:
        kind = self._random.randrange(4)
        heard = self._random.choice(list(self._heard.values())) if kind == 0 else self._heard[to]
        copy = bytearray(self._random.choice(heard))
        if kind == 1 and self._can_reseal:
            copy[:_NONCE] = self._random.randbytes(_NONCE)
        elif kind == 2:
            copy[self._random.randrange(len(copy))] ^= 1 << self._random.randrange(8)
        elif kind == 3 and self._can_reseal:
            self._forge_blindly(copy)
        return bytes(copy)

    def _forge_blindly(self, copy: bytearray) -> None:
        # What one sends who knows the addresses and does not hear the numbers.
        header = 8 if copy[_HEAD + 4] >= 0xF1 else 0
        for field in (0, 8, 12, 16):
            start = _HEAD + header + field
            copy[start : start + 4] = self._random.randbytes(4)
        copy[:_NONCE] = self._random.randbytes(_NONCE)
        copy[_NONCE:_HEAD] = zlib.crc32(copy[_HEAD:]).to_bytes(4, "little")


@asynccontextmanager
async def eavesdropped(server: int, *, can_reseal: bool) -> AsyncIterator[Eavesdropper]:
    """A path to the port `server` from the eavesdropper's own port."""
    middle = Eavesdropper(("127.0.0.1", server), can_reseal=can_reseal)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: middle, local_addr=("127.0.0.1", middle.port)
    )
    try:
        yield middle
    finally:
        transport.close()
