"""The TCP server at the far end of every tunnel.

A connection begins with one line; what follows depends on its first word:

| line | the server |
| --- | --- |
| `ECHO n` | sends the next n bytes back |
| `DOWN n start` | sends n bytes of the pattern |
| `DRIP n start` | the same at about 4 MB/s |
| `UP n` | reads n bytes and answers their SHA-256 in hex |
| `SUM` | reads up to the end of the stream, then answers the same |
| `LATE n` | ends its own direction, then reads n bytes |
| `GET /n HTTP/1.1` | answers n bytes of the pattern over HTTP |

After its answer it waits for the client to close: a kcptun of 2021 cuts both directions as soon
as one of them ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import TYPE_CHECKING, Any, Self

from tests.interop.harness.pattern import pattern

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

CHUNK = 256 * 1024
_DRIP_CHUNK, _DRIP_PAUSE = 40_000, 0.01


class Target:
    """The server; `async with` starts and stops it.

    It listens on a fresh port of `host`, or on the bound socket `listener`.
    """

    def __init__(self, host: str = "127.0.0.1", *, listener: socket.socket | None = None) -> None:
        self.port = 0
        self._where: dict[str, Any] = {"sock": listener} if listener else {"host": host, "port": 0}
        self.accepted = 0
        self.ends: list[str] = []
        """How each finished connection ended: "eof", or the name of the error."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._on_connection, **self._where, limit=2 * CHUNK, backlog=2048
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            verb, *words = (await reader.readline()).decode().split()
            await _VERBS[verb](reader, writer, words)
            rest = await reader.read()
            self.ends.append("eof" if not rest else "surplus")
        except (ConnectionError, asyncio.IncompleteReadError, ValueError) as error:
            self.ends.append(type(error).__name__)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def _echo(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: list[str]
) -> None:
    left = int(words[0])
    while left:
        data = await _some(reader, left)
        writer.write(data)
        await writer.drain()
        left -= len(data)


async def _down(_: asyncio.StreamReader, writer: asyncio.StreamWriter, words: list[str]) -> None:
    size, start = int(words[0]), int(words[1])
    await _send_pattern(writer, size, start, CHUNK)


async def _drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter, words: list[str]) -> None:
    size, start = int(words[0]), int(words[1])
    await _send_pattern(writer, size, start, _DRIP_CHUNK, pause=_DRIP_PAUSE)


async def _up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: list[str]) -> None:
    left, digest = int(words[0]), hashlib.sha256()
    while left:
        data = await _some(reader, left)
        digest.update(data)
        left -= len(data)
    writer.write(digest.hexdigest().encode())


async def _sum(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: list[str]) -> None:
    digest = hashlib.sha256()
    while data := await reader.read(CHUNK):
        digest.update(data)
    writer.write(digest.hexdigest().encode())
    writer.write_eof()


async def _late(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: list[str]
) -> None:
    writer.write_eof()
    await reader.readexactly(int(words[0]))


async def _http(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: list[str]
) -> None:
    await reader.readuntil(b"\r\n\r\n")
    size = int(words[0].rsplit("/", 1)[1])
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % size)
    await _send_pattern(writer, size, 0, CHUNK)


_VERBS: dict[
    str,
    Callable[[asyncio.StreamReader, asyncio.StreamWriter, list[str]], Coroutine[None, None, None]],
] = {
    "ECHO": _echo,
    "DOWN": _down,
    "DRIP": _drip,
    "UP": _up,
    "SUM": _sum,
    "LATE": _late,
    "GET": _http,
}


async def _some(reader: asyncio.StreamReader, limit: int) -> bytes:
    data = await reader.read(min(limit, CHUNK))
    if not data:
        raise asyncio.IncompleteReadError(b"", limit)
    return data


async def _send_pattern(
    writer: asyncio.StreamWriter, size: int, start: int, chunk: int, pause: float = 0.0
) -> None:
    for offset in range(0, size, chunk):
        writer.write(pattern(start + offset, min(chunk, size - offset)))
        await writer.drain()
        await asyncio.sleep(pause)
