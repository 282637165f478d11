"""Copy a file to another machine, and see how it goes.

::

    python examples/copy_file.py serve FOLDER :29900
    python examples/copy_file.py send FILE example.com:29900

The file is there under its own name when all of it has come, and not before. One line tells how
far it is, how fast, and what limits the rate. Without arguments a file goes from one folder to
another.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import blinktun
from blinktun.kcp import explain

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = blinktun.KcpSettings(key="both ends have it", crypt="aes-128-gcm")
CHUNK = 1 << 18


async def receive(folder: Path, stream: blinktun.Stream) -> None:
    """Take one file: a line of JSON with its name and size, then its bytes."""
    head = b""
    while b"\n" not in head:
        data = await stream.read()
        if not data or len(head) > CHUNK:
            raise ValueError("no name came")
        head += data
    line, data = head.split(b"\n", 1)
    told = json.loads(line)
    name, size = Path(str(told["name"])).name, int(told["size"])  # never out of the folder
    part = folder / f"{name}.part"
    with part.open("wb") as file:
        file.write(data)
        while data := await stream.read():
            file.write(data)
    if part.stat().st_size != size:
        raise ValueError(f"{name} has {part.stat().st_size} bytes of {size}")
    part.replace(folder / name)
    await stream.write(b"done")


async def serve(folder: Path, address: str) -> blinktun.Server:
    """Take files into a folder."""
    return await blinktun.serve(lambda stream: receive(folder, stream), address, SETTINGS)


async def send(file: Path, address: str, show: Callable[[str], object]) -> None:
    """Send a file, and wait until the other end has all of it.

    Raises:
        blinktun.TransportError: the other end has not got it.
    """
    size, sent, began = file.stat().st_size, 0, time.monotonic()
    async with (
        await blinktun.connect(address, SETTINGS) as session,
        session.open_stream() as stream,
    ):
        told = {"name": file.name, "size": size}
        await stream.write(json.dumps(told).encode() + b"\n")
        with file.open("rb") as source:
            while data := source.read(CHUNK):
                await stream.write(data)
                sent += len(data)
                rate = sent / max(time.monotonic() - began, 1e-3) / 1e6
                stats = session.stats()
                why = explain(stats.limit) if stats else ""
                show(f"{sent / size:4.0%} {rate:8.1f} MB/s  {why}")
        stream.finish()
        if await stream.read() != b"done":
            raise blinktun.TransportError("the other end has not got the file", peer=address)


async def between_two_folders() -> None:
    """Both ends in one process."""
    with TemporaryDirectory() as near, TemporaryDirectory() as far:
        file = Path(near, "some.bytes")
        file.write_bytes(random.randbytes(5_000_000))
        async with await serve(Path(far), "127.0.0.1:0") as server:
            await send(file, str(server.address), print)
        print("the same bytes:", Path(far, file.name).read_bytes() == file.read_bytes())


async def main() -> None:
    """Serve or send, as the command line says."""
    match sys.argv[1:]:
        case []:
            await between_two_folders()
        case ["serve", folder, address]:
            async with await serve(Path(folder), address):
                await asyncio.Event().wait()
        case ["send", file, address]:
            await send(Path(file), address, lambda line: print(f"\r{line:100}", end=""))
            print()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    asyncio.run(main())
