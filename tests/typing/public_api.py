"""The public names in use. Only the type checker reads this file."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, assert_type

import blinktun
from blinktun import kcp

if TYPE_CHECKING:
    from blinktun.kcp import RelayResult


async def handler(stream: blinktun.Stream) -> None:
    assert_type(stream.peer, str)
    while data := await stream.read(1024):
        assert_type(data, bytes)
        await stream.write(data)
        await stream.write(bytearray(data))
        await stream.write(memoryview(data))
    stream.finish()
    await stream.aclose()
    stream.abort()


async def use(settings: blinktun.KcpSettings) -> None:
    where = blinktun.Address.parse("[::1]:29900")
    async with await blinktun.serve(handler, ":29900", settings) as server:
        assert_type(server, blinktun.Server)
        assert_type(server.address, blinktun.Address)
        await server.aclose(within=0.5)
    async with await blinktun.connect(where) as session:
        assert_type(session, kcp.Session)
        assert_type(session.smux_version, int | None)
        assert_type((session.silent, session.heard, session.is_closed), tuple[bool, bool, bool])
        session.on_silence = lambda silent: print(silent.peer)
        async with session.open_stream() as stream:
            assert_type(stream, kcp.Stream)
        await session.drain()
        await session.closed.wait()
    relay(session, socket.socket())


def relay(session: blinktun.Session, connection: socket.socket) -> None:
    def done(result: RelayResult) -> None:
        assert_type((result.sent, result.received), tuple[int, int])
        assert_type(result.error, str | None)

    session.relay(session.open_key(), connection, done)


def facts(error: blinktun.BlinktunError) -> str:
    match error:
        case blinktun.ConfigError(problem=problem, fix=fix):
            return problem + fix
        case blinktun.TransportError(reason=reason, peer=peer):
            return reason + peer
        case blinktun.LocalError() | blinktun.RemoteError() | blinktun.AccessDenied():
            return str(error)
    return blinktun.__version__


async def misuse(session: blinktun.Session, stream: blinktun.Stream) -> None:
    await stream.write("text")  # type: ignore[arg-type]
    await blinktun.connect(29900)  # type: ignore[arg-type]
    await blinktun.serve(stream.read, ":1")  # type: ignore[arg-type]
    session.silent = "yes"  # type: ignore[assignment]
    blinktun.KcpSettings().mtu = 1400  # type: ignore[misc]
