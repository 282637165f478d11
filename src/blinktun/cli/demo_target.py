"""A small web server for the demo: a page, and files of any size made up on the spot."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blinktun.address import Address

_BLOCK = bytes(range(256)) * 256
_MAX_REQUEST = 65536
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}

PAGE = b"""\
This page came through blinktun: bs-client, kcptun-client, kcptun-server, bs-server.
Ask for /10M, /100M or /1G to get a file of that size.
"""


class WebTarget:
    """The target of the demo's connections."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None

    async def start(self, address: Address) -> None:
        """Listen.

        Raises:
            OSError: the address is taken.
        """
        self._server = await asyncio.start_server(_serve, address.host, address.port)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server:
            self._server.close()


def block_at(position: int, length: int) -> bytes:
    """The bytes of a made-up file from ``position`` on; at most 65280 of them."""
    start = position % 256
    return _BLOCK[start : start + length]


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(
        ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
    ):
        request = await reader.readuntil(b"\r\n\r\n")
        await _answer(request[:_MAX_REQUEST], writer)
    writer.close()


async def _answer(request: bytes, writer: asyncio.StreamWriter) -> None:
    match = re.match(rb"(GET|HEAD) /(\d{1,4})([KMG]?)[ ?]", request)
    if match is None:
        writer.write(_head(len(PAGE), b"text/plain") + PAGE)
        return
    size = int(match[2]) * _UNITS[match[3].decode()]
    writer.write(_head(size, b"application/octet-stream"))
    sent = 0
    while sent < size and match[1] == b"GET":
        block = block_at(sent, min(65280, size - sent))
        writer.write(block)
        await writer.drain()
        sent += len(block)


def _head(length: int, kind: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
        % (kind, length)
    )
