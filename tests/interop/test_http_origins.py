"""What programs send that is not in the book, through our HTTP proxy to origins that take it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import peers
from tests.interop.harness.boxes import Link, bs_pair
from tests.interop.harness.http_proxies import HTTP_PRESETS, curl, http_proxy, nginx
from tests.interop.harness.ports import free_port
from tests.interop.harness.processes import Program

from blinktun.address import Address
from blinktun.testing.loopback import read_exactly, serving
from blinktun.transports.tcp import TcpDialer

if TYPE_CHECKING:
    from blinktun.transports.base import Stream

SCRIPT = Path(__file__).parent / "node" / "http_origin.js"
MODULES = peers.ROOT / ".peers" / "blinksocks-3.3.0" / "node_modules"
NAMES = [b"plain.txt", "文件.txt".encode(), b"caf\xe9.txt"]


def _http_server(folder: Path, port: int) -> Program:
    argv = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    return Program("http.server", argv, folder, listens=("tcp", port))


def _node(folder: Path, port: int) -> Program:
    script = folder / SCRIPT.name
    script.write_bytes(SCRIPT.read_bytes())
    (folder / "node_modules").symlink_to(MODULES)
    return Program("node", ["node", script, str(port)], folder, listens=("tcp", port))


# --- requests ---


async def _first_line(proxy: str, request: bytes) -> bytes:
    """Send a request as a program would that does not care for RFC 3986."""
    stream = await TcpDialer().connect(Address.parse(proxy.removeprefix("http://")))
    await stream.send(request)
    answer = b""
    while b"\r\n" not in answer:
        answer += await stream.receive()
    stream.abort()
    return answer.partition(b"\r\n")[0]


async def test_raw_bytes_in_urls_find_their_files(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / os.fsdecode(name)).write_bytes(b"found")
    python = free_port()
    async with (
        nginx(tmp_path) as port,
        _http_server(tmp_path, python),
        http_proxy("ours", tmp_path) as proxy,
    ):
        for name in NAMES:
            request = b"GET http://127.0.0.1:%d/%b HTTP/1.1\r\nHost: h\r\n\r\n"
            assert await _first_line(proxy, request % (port, name)) == b"HTTP/1.1 200 OK"
        # http.server takes names for UTF-8.
        for name in NAMES[:2]:
            url = f"http://127.0.0.1:{python}/{name.decode()}"
            assert await curl(proxy, url) == b"found"
            assert await curl(proxy, f"{url}?q=ü") == b"found"


async def test_node_gets_what_it_would_refuse(tmp_path: Path) -> None:
    port = free_port()
    async with _node(tmp_path, port), http_proxy("ours", tmp_path) as proxy:
        url = f"http://127.0.0.1:{port}/文?é"
        assert await curl(proxy, url) == b"GET /%E6%96%87?%C3%A9 \n"
        odd = ("--header", "X@y: 1", "--header", "Transfer-Encoding: identity")
        assert await curl(proxy, url, *odd, "--data", "body") == (b"POST /%E6%96%87?%C3%A9 body\n")
        bare = b"PROPFIND http://127.0.0.1:%d/ HTTP/1.1\n\n" % port
        assert await _first_line(proxy, bare) == b"HTTP/1.1 200 OK"


async def test_a_websocket_whose_url_begins_with_ws(tmp_path: Path) -> None:
    port = free_port()
    async with _node(tmp_path, port), http_proxy("ours", tmp_path) as proxy:
        stream = await TcpDialer().connect(Address.parse(proxy.removeprefix("http://")))
        # As aiohttp 3 asks.
        await stream.send(
            b"GET ws://127.0.0.1:%d/chat HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: zosG/LzWBDL7rHOHRCzVpw==\r\nAccept: */*\r\n\r\n" % (port, port)
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await stream.receive()
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        await stream.send(b"\x82\x85\x00\x00\x00\x00hello")
        assert await read_exactly(stream, 7) == b"\x82\x05hello"
        stream.abort()


# --- responses ---

LENGTH, CHUNKS = b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "response",
    [
        OK + b"Transfer-Encoding: identity\r\n" + LENGTH + b"\r\nok\n",
        b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nok\n\n0\n\n",
        OK + CHUNKS + CHUNKS + b"\r\n3\r\nok\n\r\n0\r\n\r\n",
        OK + CHUNKS + b"\r\n3  \r\nok\n\r\n0 ;a=b\r\n\r\n",
        OK + LENGTH + LENGTH + b"\r\nok\n",
        OK + b"Content-Length: 3, 3\r\n\r\nok\n",
        OK + LENGTH + b"X: a\r\n folded\r\nbad line\r\nSp ace: x\r\n: none\r\n\r\nok\n",
        OK + LENGTH + b"Set-Cookie: a=\x01\xe9\r\n\r\nok\n",
        b"HTTP/1.1 200\r\n" + LENGTH + b"\r\nok\n",
        b"HTTP/1.1 200 \xc3\xa9\xe9\r\n" + LENGTH + b"\r\nok\n",
        b"ICY 200 OK\r\nicy-name: x\r\n\r\nok\n",
        b"HTTP/1.0 200 OK\r\n\r\nok\n",
    ],
)
async def test_curl_gets_odd_responses(response: bytes, tmp_path: Path) -> None:
    async def origin(stream: Stream) -> None:
        await stream.receive()
        await stream.send(response)
        await stream.aclose()

    async with serving(origin) as target, http_proxy("ours", tmp_path) as proxy:
        assert await curl(proxy, f"http://{target}/") == b"ok\n"


# --- the wrong port ---


async def test_curl_at_the_wrong_port_reads_what_to_do(tmp_path: Path) -> None:
    async with bs_pair("ours", "ours", tmp_path, Link(HTTP_PRESETS)) as near:
        said = await curl(f"http://127.0.0.1:{near.port}", "http://h/")
    assert (
        said == f"this port speaks SOCKS5: curl -x socks5h://127.0.0.1:{near.port} ...\n".encode()
    )
