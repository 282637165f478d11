"""Datagrams that are sent and received from Python."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from blinktun.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from blinktun._core import DatagramClass
    from blinktun.kcp.driver import Driver
    from blinktun.kcp.keys import FlowKey

MAX_DATAGRAM = 65507
"""Bytes of the longest datagram: what UDP carries."""

_ENDED = "the flow has ended"


class Flow:
    """Datagrams of a session that belong together: use it with ``async with``, or call `close`.

    Each arrives whole or not at all, in no order. How much is done so that it arrives is told by
    ``class_``. What fits into a segment of the path leaves in one datagram (some 1,400 bytes, less
    what encryption takes), a longer one in parts.

    Bounds: 256 KiB wait to leave, and as many to be received. If more come, the oldest are dropped;
    only of a reliable flow `send` waits instead. A receiver that is too slow loses datagrams of
    every class: what must not be lost at all belongs into a stream.

    Attributes:
        key: Its name in the core.
        peer: The other end, as text.
        label: What its opener says of it.
        class_: What is done for what is sent here.
    """

    def __init__(
        self,
        driver: Driver,
        key: FlowKey,
        peer: str,
        told: tuple[bytes, DatagramClass],
        on_over: Callable[[FlowKey], None],
    ) -> None:
        self._driver = driver
        self.key = key
        self.peer = peer
        self.label, self.class_ = told
        self._on_over = on_over
        self._changed = asyncio.Event()
        self._over = ""

    def send_nowait(self, data: bytes | bytearray | memoryview) -> bool:
        """Send a datagram; returns False if a reliable one must wait.

        Raises:
            TransportError: the flow or its session is over, or the peer takes no datagrams.
            ValueError: the datagram is longer than `MAX_DATAGRAM`.
        """
        self._check()
        if len(data) > MAX_DATAGRAM:
            raise ValueError(f"a datagram has at most {MAX_DATAGRAM} bytes, not {len(data)}")
        try:
            taken = self._driver.core.send_datagram(self.key, bytes(data))
        except OSError as error:
            raise TransportError(str(error), peer=self.peer) from error
        self._driver.wake()
        return taken

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send a datagram; waits if it is a reliable one and too many wait already.

        Raises:
            TransportError: the flow or its session is over, or the peer takes no datagrams.
            ValueError: the datagram is longer than `MAX_DATAGRAM`.
        """
        while True:
            self._changed.clear()
            if self.send_nowait(data):
                return
            await self._changed.wait()

    def receive_nowait(self) -> bytes | None:
        """The oldest datagram that has arrived; None if there is none."""
        if self._over:
            return None
        return self._driver.core.take_datagram(self.key)

    async def receive(self) -> bytes:
        """The oldest datagram that has arrived. Cancelling it loses nothing.

        Raises:
            TransportError: the flow or its session is over.
        """
        while True:
            self._changed.clear()
            data = self.receive_nowait()
            if data is not None:
                return data
            self._check()
            await self._changed.wait()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next datagram, until the flow is over."""
        try:
            return await self.receive()
        except TransportError as error:
            raise StopAsyncIteration from error

    def close(self) -> None:
        """End the flow: what waits is dropped, and the peer is told."""
        if not self._over:
            self._driver.core.end_flow(self.key)
            self._driver.wake()
            self.on_over("the flow was closed here")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    # --- told by the session ----------------------------------------------------------------

    def on_change(self) -> None:
        """There is something to receive, or room to send."""
        self._changed.set()

    def on_over(self, reason: str = _ENDED) -> None:
        """It is over."""
        self._over = self._over or reason
        self._changed.set()
        self._on_over(self.key)

    def _check(self) -> None:
        if self._over:
            raise TransportError(self._over, peer=self.peer)
