"""A chat: everybody who is connected reads what anybody says, in order and complete.

::

    python examples/chat.py serve :29900
    python examples/chat.py join example.com:29900 NAME

Lines of the keyboard are said; a line of nothing leaves. Each member has one stream. Without
arguments two members talk in this process.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import blinktun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

SETTINGS = blinktun.KcpSettings(key="both ends have it", crypt="aes-128-gcm")
LONGEST = 4096
"""Bytes of the longest line."""


async def lines(stream: blinktun.Stream) -> AsyncIterator[bytes]:
    """The lines of a stream, until its clean end."""
    rest = b""
    while data := await stream.read():
        *whole, rest = (rest + data).split(b"\n")
        if len(rest) > LONGEST:
            raise ValueError("a line without an end")
        for line in whole:
            yield line


class Room:
    """Who is there."""

    def __init__(self) -> None:
        self._members: dict[blinktun.Stream, asyncio.Queue[bytes]] = {}

    async def welcome(self, stream: blinktun.Stream) -> None:
        """Serve one member: its first line is its name."""
        heard: asyncio.Queue[bytes] = asyncio.Queue(1000)
        telling = asyncio.create_task(self._tell(stream, heard))
        name = b""
        try:
            async for line in lines(stream):
                if name:
                    self._say(name + b": " + line)
                else:
                    name, self._members[stream] = line, heard
                    self._say(name + b" is here")
        finally:
            self._members.pop(stream, None)
            telling.cancel()
            self._say(name + b" has left")

    def _say(self, line: bytes) -> None:
        for stream, heard in self._members.items():
            try:
                heard.put_nowait(line + b"\n")
            except asyncio.QueueFull:
                stream.abort()  # this member does not read

    @staticmethod
    async def _tell(stream: blinktun.Stream, heard: asyncio.Queue[bytes]) -> None:
        while True:
            await stream.write(await heard.get())


async def serve(address: str) -> blinktun.Server:
    """Open a room at this address."""
    return await blinktun.serve(Room().welcome, address, SETTINGS)


async def join(address: str, name: str, said: Callable[[], Awaitable[str]]) -> None:
    """Say what is said here, and show what everybody says."""
    async with (
        await blinktun.connect(address, SETTINGS) as session,
        session.open_stream() as stream,
    ):
        await stream.write(name.encode() + b"\n")

        async def show() -> None:
            async for line in lines(stream):
                print(f"[{name}] {line.decode(errors='replace')}")

        showing = asyncio.create_task(show())
        while line := (await said()).strip():
            await stream.write(line.encode() + b"\n")
        showing.cancel()


async def talk() -> None:
    """Two members in one process."""
    everybody_is_there = asyncio.Barrier(2)

    def words(*texts: str) -> Callable[[], Awaitable[str]]:
        left = list(texts)

        async def next_one() -> str:
            await everybody_is_there.wait()
            await asyncio.sleep(0.1)  # people take longer
            return left.pop(0)

        return next_one

    async with await serve("127.0.0.1:0") as server:
        await asyncio.gather(
            join(str(server.address), "Ada", words("Hello!", "It is in order, too.", "")),
            join(str(server.address), "Bob", words("Hello, Ada.", "And complete.", "")),
        )


async def main() -> None:
    """Serve or join, as the command line says."""
    match sys.argv[1:]:
        case []:
            await talk()
        case ["serve", address]:
            async with await serve(address):
                await asyncio.Event().wait()
        case ["join", address, name]:
            await join(address, name, lambda: asyncio.to_thread(sys.stdin.readline))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    asyncio.run(main())
