"""A web page over QUIC (HTTP/3), of aioquic at both ends."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from tests.interop.harness.ports import free_port

from blinktun.testing.certificates import self_signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aioquic.quic.events import QuicEvent


class _Web(QuicConnectionProtocol):
    """Either end: it hands each event of HTTP/3 on."""

    page = b""
    http: H3Connection | None = None

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.got = bytearray()
        self.done = asyncio.Event()

    def quic_event_received(self, event: QuicEvent) -> None:
        self.http = self.http or H3Connection(self._quic)
        for seen in self.http.handle_event(event):
            self._take(seen)

    def _take(self, event: H3Event) -> None:
        if isinstance(event, HeadersReceived) and self.page and self.http:
            self.http.send_headers(event.stream_id, [(b":status", b"200")])
            self.http.send_data(event.stream_id, self.page, end_stream=True)
            self.transmit()
        elif isinstance(event, DataReceived):
            self.got += event.data
            if event.stream_ended:
                self.done.set()

    def ask(self) -> None:
        """Ask for the page."""
        self.http = self.http or H3Connection(self._quic)
        stream = self._quic.get_next_available_stream_id()
        words = {":method": "GET", ":scheme": "https", ":authority": "localhost", ":path": "/"}
        headers = [(name.encode(), value.encode()) for name, value in words.items()]
        self.http.send_headers(stream, headers, end_stream=True)
        self.transmit()


@asynccontextmanager
async def page_server(folder: Path, page: bytes) -> AsyncIterator[int]:
    """A server of one page; yields its UDP port."""
    tls = self_signed(folder, "localhost")
    configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN)
    assert tls.cert
    configuration.load_cert_chain(tls.cert, tls.key)

    class Server(_Web):
        pass

    Server.page = page
    port = free_port()
    server = await serve("127.0.0.1", port, configuration=configuration, create_protocol=Server)
    try:
        yield port
    finally:
        server.close()


async def load_page(port: int, within: float = 20.0) -> bytes:
    """The page of the server behind a UDP port."""
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN)
    configuration.verify_mode = ssl.CERT_NONE
    async with (
        asyncio.timeout(within),
        connect("127.0.0.1", port, configuration=configuration, create_protocol=_Web) as client,
    ):
        assert isinstance(client, _Web)
        client.ask()
        await client.done.wait()
        return bytes(client.got)
