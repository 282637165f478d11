"""Our transports alone, with programs that know WebSocket and HTTP/2 but not blinksocks."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import peers
from tests.interop.harness.ports import free_port
from tests.interop.harness.processes import Program, output_of

from blinktun.address import Address
from blinktun.config.model import ServerLink, Tls
from blinktun.net.resolve import Resolver
from blinktun.testing.certificates import self_signed
from blinktun.testing.loopback import ANY_PORT, echo
from blinktun.transports.registry import find_transport
from blinktun.tunnel.connections import Connections

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blinktun.transports.base import Stream

SCRIPTS = Path(__file__).parent / "node"
MODULES = peers.ROOT / ".peers" / "blinksocks-3.3.0" / "node_modules"
SIZE = 3_000_000


@asynccontextmanager
async def echoing(transport: str, tls: Tls) -> AsyncIterator[int]:
    """Our server of that transport, which sends everything back; yields its port."""
    connections = Connections()
    link = ServerLink(transport, ANY_PORT, "", path="/", tls=tls)
    listener = await find_transport(link).listen(link, lambda s: connections.add(s, echo))
    try:
        yield listener.addresses[0].port
    finally:
        await listener.aclose()
        await connections.stop(1)


@pytest.mark.parametrize("mask", ["true", "false"])
async def test_our_websocket_server_with_ws(mask: str, tmp_path: Path) -> None:
    async with echoing("ws", Tls()) as port:
        url = f"ws://127.0.0.1:{port}/"
        await output_of(node(), SCRIPTS / "ws_client.js", MODULES, url, str(SIZE), mask)


async def test_our_http2_server_with_node(tmp_path: Path) -> None:
    made = self_signed(tmp_path, "localhost")
    async with echoing("h2", made) as port:
        script = SCRIPTS / "http2_client.js"
        await output_of(node(), script, str(port), str(made.cert), "5", str(SIZE))


async def test_our_http2_server_with_curl(tmp_path: Path) -> None:
    made = self_signed(tmp_path, "localhost")
    body, output = tmp_path / "body", tmp_path / "output"
    body.write_bytes(bytes(range(256)) * (SIZE // 256))
    async with echoing("h2", made) as port:
        options = ("--silent", "--show-error", "--fail", "--http2", "--noproxy", "*")
        files = ("--cacert", str(made.cert), "--data-binary", f"@{body}", "--output", str(output))
        url = f"https://localhost:{port}/any/path"
        version = await output_of(
            peers.system("curl"), *options, *files, "-w", "%{http_version}", url
        )
        assert version == b"2"
        assert output.read_bytes() == body.read_bytes()


async def test_our_http2_client_with_node(tmp_path: Path) -> None:
    made = self_signed(tmp_path, "localhost")
    port = free_port()
    argv: list[str | Path] = [
        node(),
        SCRIPTS / "http2_server.js",
        str(port),
        str(made.cert),
        str(made.key),
    ]
    async with Program("node-http2", argv, tmp_path, listens=("tcp", port)) as server:
        link = ServerLink("h2", ANY_PORT, "", path="/a/path", tls=made)
        dialer = find_transport(link).dialer(link, Resolver())
        stream = await dialer.connect(Address("localhost", port))
        sending = asyncio.create_task(send_pattern(stream))
        received = hashlib.sha256()
        async with asyncio.timeout(60):
            while data := await stream.receive():
                received.update(data)
        assert await sending == received.hexdigest()
        await stream.aclose()
        assert f"POST /a/path localhost:{port}" in server.log
        assert "error" not in server.log


async def send_pattern(stream: Stream) -> str:
    sent = hashlib.sha256()
    for number in range(SIZE // 100_000):
        piece = bytes((number,)) * 100_000
        sent.update(piece)
        await stream.send(piece)
    await stream.send_eof()
    return sent.hexdigest()


def node() -> Path:
    found = shutil.which("node")
    if found is None:
        raise peers.MissingPeerError("node", "make peers")
    return Path(found)
