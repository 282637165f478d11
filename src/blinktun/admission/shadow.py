"""The fallback service hears a peer that is still undecided, until one side shows what it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from blinktun.errors import TransportError

if TYPE_CHECKING:
    from blinktun.effects import Chunk
    from blinktun.transports.base import Stream


class Shadow:
    """A connection to the fallback service, which gets what its peer sends to us as well.

    It is taken back without a trace as long as the service has not spoken: so a client whose first
    bytes pause on their way is still served.

    Args:
        wire: The peer.
        service: The fallback; it has got all that came before.

    Attributes:
        service: The same.
        answer: What the service has said, once it has; empty if it has ended.
    """

    def __init__(self, wire: Stream, service: Stream) -> None:
        self._wire = wire
        self.service = service
        self.answer: Chunk | None = None

    async def receive(self) -> Chunk | None:
        """Bytes of the peer, which the service has too; None once the service has spoken or ended.

        Raises:
            TransportError: the peer's connection broke.
        """
        tasks = [
            asyncio.ensure_future(self._wire.receive()),
            asyncio.ensure_future(self._listen()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        data = None if tasks[0].cancelled() else await self._pass_on(tasks[0].result() or b"")
        return None if self.answer is not None else data

    async def _pass_on(self, data: Chunk) -> Chunk:
        try:
            await (self.service.send(data) if data else self.service.send_eof())
        except TransportError:
            self.answer = self.answer or b""
        return data

    async def _listen(self) -> None:
        try:
            self.answer = await self.service.receive()
        except TransportError:
            self.answer = b""
