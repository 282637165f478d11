"""The asyncio face of the core: sessions over KCP, and the streams in them.

::

    session = await kcp.connect("example.com:29900", KcpSettings(key="..."))
    stream = session.open_stream()
    await stream.write(b"hello")
    print(await stream.read())

    async def echo(stream: kcp.Stream) -> None:
        while data := await stream.read():
            await stream.write(data)

    server = await kcp.serve(echo, ":29900", KcpSettings(key="..."))

The nouns of the room: a `Driver` runs the core's reactor in an event loop; a `Session` is one KCP
conversation, whose `Stream`s can be read and written from Python, or joined to a socket with
`Session.relay`, from when on their bytes never enter Python; a `Flow` has datagrams beside the
streams, between two blinktun; a `Server` accepts sessions; a
`SessionPool` keeps those of a client.
"""

from __future__ import annotations

from blinktun._core import (
    CloseReason,
    DatagramClass,
    Limit,
    LimitKind,
    RelayEnd,
    SessionStats,
    StreamClass,
)
from blinktun.kcp.api import Server, connect, serve
from blinktun.kcp.driver import Driver
from blinktun.kcp.flow import Flow
from blinktun.kcp.limit import explain
from blinktun.kcp.pool import SessionPool
from blinktun.kcp.session import RelayResult, Session
from blinktun.kcp.stream import Stream

__all__ = [
    "CloseReason",
    "DatagramClass",
    "Driver",
    "Flow",
    "Limit",
    "LimitKind",
    "RelayEnd",
    "RelayResult",
    "Server",
    "Session",
    "SessionPool",
    "SessionStats",
    "Stream",
    "StreamClass",
    "connect",
    "explain",
    "serve",
]
