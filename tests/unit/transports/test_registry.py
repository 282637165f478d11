from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blinktun.address import Address
from blinktun.config.model import ServerLink
from blinktun.errors import ConfigError
from blinktun.net.resolve import Resolver
from blinktun.testing.loopback import ANY_PORT
from blinktun.transports.registry import find_transport

if TYPE_CHECKING:
    from blinktun.transports.base import Stream


async def test_tcp_both_ends() -> None:
    link = ServerLink("tcp", ANY_PORT, "key")
    transport = find_transport(link)
    streams: list[Stream] = []
    listener = await transport.listen(link, streams.append)
    stream = await transport.dialer(link, Resolver()).connect(listener.addresses[0])
    await stream.aclose()
    await listener.aclose()
    for accepted in streams:
        await accepted.aclose()


def test_unknown_scheme() -> None:
    with pytest.raises(ConfigError, match="is not a known transport"):
        find_transport(ServerLink("gopher", Address("h", 1), "key"))
