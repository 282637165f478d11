"""Where the connections of a blinksocks server leave for their targets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from blinktun.admission.access import source_of
from blinktun.net.limits import charge_to, dial_budget, source_key
from blinktun.relay.relay import relay
from blinktun.transports.watching import unless_broken
from blinktun.tunnel.paced_stream import paced
from blinktun.tunnel.targets import DATAGRAMS
from blinktun.tunnel.udp_limits import UdpGate
from blinktun.tunnel.udp_stream import carry_datagrams

if TYPE_CHECKING:
    from blinktun.address import Address
    from blinktun.admission.access import Access
    from blinktun.net.resolve import Resolver
    from blinktun.relay.relay import Traffic
    from blinktun.transports.base import Dialer, Stream


class Exit:
    """Connects to targets and carries bytes to and from them.

    Args:
        dialer: Connects to targets.
        access: Says who may have which target, and how fast.
        idle: Seconds without a byte in either direction after which a connection is closed.
        datagrams: Finds the targets of datagrams inside streams; None: there are no such streams.
    """

    def __init__(
        self, dialer: Dialer, access: Access, *, idle: float, datagrams: Resolver | None = None
    ) -> None:
        self._dialer = dialer
        self._access = access
        self._idle = idle
        self._datagrams = datagrams
        self._dials = dial_budget()

    async def carry(self, link: Stream, address: Address, traffic: Traffic) -> None:
        """Take a client's stream to its target and to its end.

        Raises:
            TransportError: one of the two failed, or was idle; both are closed.
            RemoteError: the client broke its protocol; the target is closed, the link is not.
            AccessDenied: a rule bans the client or the target; nothing has been closed.
        """
        source = source_of(link.peer)
        charge_to(source.host)
        if self._datagrams and address == DATAGRAMS:
            gate = UdpGate(self._access, source)
            await carry_datagrams(
                link, self._datagrams, idle=self._idle, traffic=traffic, gate=gate
            )
            return
        limits = self._access.limits(source, address)
        with self._dials.hold(source_key(source.host)):
            target = await unless_broken(link, self._dialer.connect(address))
        try:
            await relay(
                paced(link, limits.upload),
                paced(target, limits.download),
                idle=self._idle,
                traffic=traffic,
            )
            await asyncio.gather(link.aclose(), target.aclose())
        except BaseException:
            target.abort()
            raise
