"""A game of players that run about: where they are goes in datagrams, what they score in a stream.

::

    python examples/game.py serve :29900
    python examples/game.py play example.com:29900 NAME

A position that is lost is worth nothing: the next one comes 50 ms later. So it goes in a plain
flow, and never waits for another one. A score must arrive, so it goes in a stream beside it.
Without arguments two players run in this process for two seconds.
"""

from __future__ import annotations

import asyncio
import math
import struct
import sys
import time

import blinktun
from blinktun.kcp import DatagramClass, Flow

SETTINGS = blinktun.KcpSettings(key="both ends have it", crypt="aes-128-gcm")
TICK = 0.05
"""Seconds between two positions."""
POSITION = struct.Struct("!Iff")
"""The number of a position, and where its player is."""


class World:
    """Where the players are, and what they have scored."""

    def __init__(self) -> None:
        self.places: dict[bytes, tuple[int, float, float]] = {}
        self.scores: dict[bytes, int] = {}

    async def follow(self, flow: Flow) -> None:
        """Take the positions of a player, whose name is the label, and tell where all are."""
        async for datagram in flow:
            if len(datagram) != POSITION.size:
                continue
            number, x, y = POSITION.unpack(datagram)
            if number > self.places.get(flow.label, (-1,))[0]:  # an old one may come later
                self.places[flow.label] = number, x, y
            for name, (number, x, y) in self.places.items():
                flow.send_nowait(POSITION.pack(number, x, y) + name)

    async def count(self, stream: blinktun.Stream) -> None:
        """Take the scores of a player: a line with its name for each."""
        rest = b""
        while data := await stream.read():
            *names, rest = (rest + data).split(b"\n")
            for name in names:
                self.scores[name] = self.scores.get(name, 0) + 1


async def serve(world: World, address: str) -> blinktun.Server:
    """Have the world at this address."""
    return await blinktun.serve(world.count, address, SETTINGS, datagrams=world.follow)


async def play(address: str, name: bytes, rounds: int) -> dict[bytes, tuple[float, float]]:
    """Run in circles for so many ticks, score in each round; returns where everybody was seen."""
    seen: dict[bytes, tuple[float, float]] = {}

    async def watch(flow: Flow) -> None:
        async for datagram in flow:
            _, x, y = POSITION.unpack(datagram[: POSITION.size])
            seen[datagram[POSITION.size :]] = x, y

    async with (
        await blinktun.connect(address, SETTINGS) as session,
        session.open_stream() as scores,
        session.open_flow(DatagramClass.PLAIN, label=name) as flow,
    ):
        watching = asyncio.create_task(watch(flow))
        for tick in range(rounds):
            angle = tick / 10
            flow.send_nowait(POSITION.pack(tick, math.cos(angle), math.sin(angle)))
            await scores.write(name + b"\n")
            await asyncio.sleep(TICK)
        watching.cancel()
    return seen


async def main() -> None:
    """Serve or play, as the command line says."""
    match sys.argv[1:]:
        case []:
            world = World()
            async with await serve(world, "127.0.0.1:0") as server:
                players = [play(str(server.address), name, 40) for name in (b"Ada", b"Bob")]
                for seen in await asyncio.gather(*players):
                    print("seen:", seen)
            print("scores:", world.scores)
        case ["serve", address]:
            world = World()
            async with await serve(world, address):
                while True:
                    await asyncio.sleep(1)
                    print(time.strftime("%T"), world.places, world.scores)
        case ["play", address, name]:
            print(await play(address, name.encode(), rounds=200))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    asyncio.run(main())
