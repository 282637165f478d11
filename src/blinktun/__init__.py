"""TCP streams over lossy networks: kcptun and blinksocks in one package, with a Rust core.

What programs import::

    import asyncio
    import blinktun

    async def main() -> None:
        settings = blinktun.KcpSettings(key="a long secret", crypt="aes")
        async with await blinktun.connect("example.com:29900", settings) as session:
            async with session.open_stream() as stream:
                await stream.write(b"hello")
                print(await stream.read())

    asyncio.run(main())

`kcp` is the room behind it. All errors descend from `BlinktunError`. Logging goes to the logger
``blinktun`` and those below it. The programs themselves start in `blinktun.app` and `blinktun.cli`.
"""

from __future__ import annotations

from blinktun import kcp
from blinktun._core import __version__
from blinktun.address import Address
from blinktun.config.model import KcpSettings
from blinktun.errors import (
    AccessDenied,
    BlinktunError,
    ConfigError,
    InternalError,
    LocalError,
    ProtocolError,
    RemoteError,
    TransportError,
)
from blinktun.kcp import (
    DatagramClass,
    Flow,
    Server,
    Session,
    Stream,
    StreamClass,
    connect,
    serve,
)

__all__ = [
    "AccessDenied",
    "Address",
    "BlinktunError",
    "ConfigError",
    "DatagramClass",
    "Flow",
    "InternalError",
    "KcpSettings",
    "LocalError",
    "ProtocolError",
    "RemoteError",
    "Server",
    "Session",
    "Stream",
    "StreamClass",
    "TransportError",
    "__version__",
    "connect",
    "kcp",
    "serve",
]
