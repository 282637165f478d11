"""A page with fifty resources that knows whether a browser got all of them right."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import random
from collections import Counter
from typing import Self

COUNT = 50
_LARGEST = 500_000
_TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "": "text/html"}


class Website:
    """An HTTP/1.1 server with persistent connections; `async with` starts and stops it.

    The page's title counts what the browser has loaded. Scripts and styles carry their hashes, so
    that it refuses them if a byte is wrong.

    Attributes:
        asked: How often each path was asked for.
        port: Where it listens.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.port = 0
        self._files = {f"/{n}.{kind}": _file(kind, size) for n, (kind, size) in _plan().items()}
        self._files["/"] = _page(self._files)
        self._server: asyncio.Server | None = None

    @property
    def resources(self) -> list[str]:
        """The paths of everything that belongs to the page."""
        return [path for path in self._files if path != "/"]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode()
                self.asked[path] += 1
                writer.write(self._response(path))
                await writer.drain()
        writer.close()

    def _response(self, path: str) -> bytes:
        body = self._files.get(path)
        if body is None:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        kind = _TYPES[path.rpartition(".")[2] if "." in path else ""]
        return (
            b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n"
            b"Cache-Control: no-store\r\n\r\n%s" % (kind.encode(), len(body), body)
        )


def _plan() -> dict[int, tuple[str, int]]:
    """Kind and size of each resource: from 1 byte up, each about a third larger than the last."""
    kinds = ("js", "css", "svg")
    growth = _LARGEST ** (1 / (COUNT - 1))
    return {n: (kinds[n % len(kinds)], round(growth**n)) for n in range(COUNT)}


def _file(kind: str, size: int) -> bytes:
    """As many bytes as wanted, most of them a comment, where the kind allows so few."""
    before, after = {
        "js": (b"/*", b"*/"),
        "css": (b"/*", b"*/"),
        "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><!--', b"--></svg>"),
    }[kind]
    left = size - len(before + after)
    if left < 0 and kind != "svg":
        return b" " * size
    # Neither end of a comment can occur in base64.
    text = base64.b64encode(random.Random(size).randbytes(max(left, 0)))
    return before + text[: max(left, 0)] + after


def _page(files: dict[str, bytes]) -> bytes:
    lines = ["<!DOCTYPE html><title>0</title><script>let n = 0;"]
    lines += ["const got = () => { document.title = `${++n} loaded` };</script>"]
    for path, body in files.items():
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        right = f'integrity="sha256-{digest}" onload="got()"'
        tags = {
            "js": f'<script src="{path}" {right}></script>',
            "css": f'<link rel="stylesheet" href="{path}" {right}>',
            "svg": f'<img src="{path}" onload="got()">',
        }
        lines.append(tags[path.rpartition(".")[2]])
    return "\n".join(lines).encode()
