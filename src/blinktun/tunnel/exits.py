"""Where the connections of a blinksocks server leave for their targets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from blinktun.tunnel.relay import relay
from blinktun.tunnel.udp_stream import DATAGRAMS, carry_datagrams

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.transports.base import Dialer, Stream
    from blinktun.transports.resolver import Resolver
    from blinktun.tunnel.relay import Traffic


class Exit:
    """Connects to targets and carries bytes to and from them.

    Args:
        dialer: Connects to targets.
        idle: Seconds without a byte in either direction after which a connection is closed.
        datagrams: Finds the targets of datagrams inside streams; None: there are no such streams.
    """

    def __init__(self, dialer: Dialer, *, idle: float, datagrams: Resolver | None = None) -> None:
        self._dialer = dialer
        self._idle = idle
        self._datagrams = datagrams

    async def carry(self, link: Stream, address: Address, traffic: Traffic) -> None:
        """Take a client's stream to its target and to its end.

        Raises:
            TransportError: one of the two failed, or was idle; both are closed.
            RemoteError: the client broke its protocol; the target is closed, the link is not.
        """
        if self._datagrams and address == DATAGRAMS:
            await carry_datagrams(link, self._datagrams, idle=self._idle, traffic=traffic)
            return
        target = await self._dialer.connect(address)
        try:
            await relay(link, target, idle=self._idle, traffic=traffic)
            await asyncio.gather(link.aclose(), target.aclose())
        except BaseException:
            target.abort()
            raise
