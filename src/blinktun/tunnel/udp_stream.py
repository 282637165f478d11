"""Datagrams inside a stream, for links that are no UDP port themselves: ``kcp://``.

Ours alone. An association opens a stream to a target that no name service can have, and both ends
send ``size(2) atyp addr port payload``: the size of what follows, where the datagram goes or is
from, and the datagram. The presets treat it as any other stream. What cannot leave at once is lost,
as datagrams may be.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from blinktun.errors import LocalError, RemoteError, TransportError
from blinktun.presets.socks_address import pack, unpack
from blinktun.tunnel.targets import DATAGRAMS
from blinktun.tunnel.udp_exit import UdpExit
from blinktun.tunnel.udp_path import Path

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.effects import Chunk
    from blinktun.net.resolve import Resolver
    from blinktun.relay.relay import Traffic
    from blinktun.transports.base import Stream
    from blinktun.tunnel.outbound import Outbound
    from blinktun.tunnel.udp_exit import OnAnswer
    from blinktun.tunnel.udp_limits import UdpGate

_log = logging.getLogger("blinktun.blinksocks")

_WAITING = 256
"""Datagrams that may wait for the stream; more are lost."""


class StreamPath(Path):
    """A client's association: a stream of its own to the server."""

    def __init__(self, outbound: Outbound, on_answer: OnAnswer) -> None:
        self._outbound = outbound
        self._on_answer = on_answer
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def send(self, target: Address, payload: bytes) -> None:
        """Send, or lose it."""
        _offer(self._waiting, target, payload)

    def close(self) -> None:
        """Break the stream off."""
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            try:
                await self._exchange(await self._outbound.open(DATAGRAMS))
            except (TransportError, RemoteError) as error:
                _log.debug("datagrams wait for another stream: %s", error)
            first = await self._waiting.get()  # nobody needs a stream before
            self._waiting.put_nowait(first)

    async def _exchange(self, stream: Stream) -> None:
        sending = asyncio.get_running_loop().create_task(_drain(self._waiting, stream))
        reader = _Reader()
        try:
            while data := await stream.receive():
                for source, payload in reader.feed(data):
                    self._on_answer(source, payload)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            stream.abort()


async def carry_datagrams(
    link: Stream,
    resolver: Resolver,
    *,
    idle: float,
    traffic: Traffic,
    gate: UdpGate | None = None,
) -> None:
    """Serve a stream of datagrams until its client ends it, or is silent for ``idle`` seconds.

    Raises:
        TransportError: it ended other than cleanly.
        RemoteError: the client broke the format.
    """
    waiting: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)

    def answer(source: Address, payload: bytes) -> None:
        if gate and not gate.allows(source, len(payload), up=False):
            return
        traffic.add(down=len(payload))
        _offer(waiting, source, payload)

    way = UdpExit(resolver, answer, gate.permits if gate else None)
    sending = asyncio.get_running_loop().create_task(_drain(waiting, link))
    reader = _Reader()
    try:
        while data := await _receive(link, idle):
            for target, payload in reader.feed(data):
                traffic.add(up=len(payload))
                if gate is None or gate.allows(target, len(payload), up=True):
                    way.send(target, payload)
    finally:
        way.close()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    await link.aclose()


async def _receive(link: Stream, idle: float) -> Chunk:
    try:
        async with asyncio.timeout(idle):
            return await link.receive()
    except TimeoutError:
        raise TransportError(f"no datagrams for {idle:g} s") from None


async def _drain(waiting: asyncio.Queue[bytes], stream: Stream) -> None:
    await stream.send(b"")  # the target alone, if nothing is there to go with it
    while True:
        await stream.send(await waiting.get())


def _offer(waiting: asyncio.Queue[bytes], address: Address, payload: bytes) -> None:
    try:
        data = pack(address) + payload
        waiting.put_nowait(len(data).to_bytes(2, "big") + data)
    except (LocalError, OverflowError, asyncio.QueueFull):
        return  # lost


class _Reader:
    """Cuts a stream into datagrams; keeps less than one of 65,537 bytes."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: Chunk) -> list[tuple[Address, bytes]]:
        held = self._pending + data
        found: list[tuple[Address, bytes]] = []
        at = 0  # cut once at the end: a chunk may hold tens of thousands of small datagrams
        while at + 2 <= len(held):
            end = at + 2 + int.from_bytes(held[at : at + 2], "big")
            if end > len(held):
                break
            framed = held[at + 2 : end]
            address = unpack(framed)
            if address is None:
                raise RemoteError("a datagram ends inside its address")
            found.append((address[0], framed[address[1] :]))
            at = end
        self._pending = held[at:]
        return found
