"""A server on a hostile network: probers get nginx's answers or none, and slow ones harm nobody."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.interop.harness import peers, traffic
from tests.interop.harness.boxes import Link, Presets, blinksocks_from_file, bs_client, bs_server
from tests.interop.harness.ports import free_port
from tests.interop.harness.processes import Program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.interop.harness.target import Target

AEAD: Presets = [
    {"name": "ss-base"},
    {"name": "ss-aead-cipher", "params": {"method": "aes-256-gcm"}},
]
PROBES = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: */*\r\nX: abcdef\r\n\r\n",
    b"GET /nothing HTTP/1.0\r\nUser-Agent: a prober that says more than fifty bytes\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n\r\n" + b"x" * 60,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
    random.Random(1).randbytes(50),
    random.Random(2).randbytes(5_000),
]
SLOW = 1_000


async def test_a_prober_sees_nginx(target: Target, tmp_path: Path) -> None:
    link = Link(AEAD)
    async with _nginx(tmp_path) as port:
        async with _server(tmp_path, link, redirect=f"127.0.0.1:{port}") as server:
            for probe in PROBES:
                expected, seen = [await _ask(at, probe) for at in (port, link.port)]
                assert expected
                assert seen == expected
            async with bs_client("ours", tmp_path, link) as near:
                await traffic.echo(traffic.socks5(near.port, target.port), 50_000, within=20)
        assert "rror" not in server.log
        assert "Traceback" not in server.log


@pytest.mark.parametrize("scheme", ["tcp", "tls", "ws", "wss", "h2"])
async def test_a_browser_sees_nginx(scheme: str, target: Target, tmp_path: Path) -> None:
    """Whatever carries it, and whichever HTTP it speaks."""
    path = "/path" if scheme.startswith("w") else ""
    web = "http" if scheme in {"tcp", "ws"} else "https"
    async with _nginx(tmp_path) as port:
        link = Link(AEAD, transport=scheme, path=path, server={"redirect": f"127.0.0.1:{port}"})
        async with bs_server("ours", tmp_path, link) as server:
            for version in ("--http1.0", "--http1.1", "--http2"):
                for page in ("", "nothing", "path"):
                    expected = await _browse(f"http://127.0.0.1:{port}/{page}", version)
                    seen = await _browse(f"{web}://localhost:{link.port}/{page}", version)
                    assert expected[0] in {"200", "404"}
                    assert seen == expected
            async with bs_client("ours", tmp_path, link) as near:
                await traffic.echo(traffic.socks5(near.port, target.port), 50_000, within=20)
    assert "Traceback" not in server.log


async def test_a_prober_hears_nothing_and_is_banned(target: Target, tmp_path: Path) -> None:
    link = Link(AEAD)
    rules = tmp_path / "acl.txt"
    rules.write_text(f"*:25 1\nnonsense here\n127.0.0.1:{target.port} 0 - 1m\n")
    async with _server(tmp_path, link, acl=True, acl_conf=str(rules)) as server:
        for line in ("[acl] 2 rules loaded", "acl.txt: line 2 has a second field"):
            await server.wait_for_log(line)
        async with bs_client("ours", tmp_path, link) as near:
            connect = traffic.socks5(near.port, target.port)
            started = asyncio.get_running_loop().time()
            await traffic.download(connect, 1_500_000, within=20)
            assert asyncio.get_running_loop().time() - started > 1.2  # 1 MiB/s
            waiting = asyncio.create_task(_ask(link.port, PROBES[0]))
            assert not (await asyncio.wait({waiting}, timeout=3))[0]
            assert await _ask(link.port, PROBES[1]) is None
            assert await _ask(link.port, PROBES[1]) is None
            await server.wait_for_log("has failed 2 times and is banned")
            with pytest.raises((AssertionError, OSError, EOFError)):
                await traffic.echo(connect, 10, within=5)
            waiting.cancel()
    assert "Traceback" not in server.log


@pytest.mark.parametrize("redirected", [False, True])
async def test_slow_connections_keep_nobody_out(
    redirected: bool, target: Target, tmp_path: Path
) -> None:
    link = Link(AEAD)
    async with AsyncExitStack() as stack:
        settings: dict[str, Any] = {}
        if redirected:
            settings["redirect"] = f"127.0.0.1:{await stack.enter_async_context(_nginx(tmp_path))}"
        # Fewer descriptors than connections: the limit that most systems begin with.
        server = await stack.enter_async_context(
            _server(tmp_path, link, descriptors=1024, **settings)
        )
        writers = [
            writer
            for number in range(SLOW)
            for writer in await _send(link.port, b"" if number % 3 else b"slow")
        ]
        assert len(writers) > SLOW // 2
        near = await stack.enter_async_context(bs_client("ours", tmp_path, link))
        connect = traffic.socks5(near.port, target.port)
        await asyncio.gather(*(traffic.echo(connect, 50_000, n, within=20) for n in range(20)))
        for writer in writers:
            writer.transport.abort()
        assert "Traceback" not in server.log
        assert "error" not in server.log


@asynccontextmanager
async def _server(
    folder: Path, link: Link, *, descriptors: int | None = None, **settings: Any
) -> AsyncIterator[Program]:
    config = {"service": link.service("127.0.0.1"), "key": link.key, "presets": link.presets}
    path = folder / "server.json"
    path.write_text(json.dumps(config | settings))
    if descriptors is None:
        async with blinksocks_from_file("ours", path) as program:
            yield program
        return
    limit = f"--nofile={descriptors}:{descriptors}"
    argv: list[str | Path] = [peers.system("prlimit"), limit, "--", peers.ours("blinksocks")]
    argv += ["-c", path]
    async with Program("limited-server", argv, folder, listens=("tcp", link.port)) as program:
        yield program


@asynccontextmanager
async def _nginx(folder: Path) -> AsyncIterator[int]:
    port = free_port()
    (folder / "index.html").write_text("<h1>It works</h1>")
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr;"
        "events { worker_connections 4096; }"
        f"http {{ access_log off; server {{ listen 127.0.0.1:{port}; root {folder};"
        f" client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;"
        " server_tokens off; add_header X-Served-By nginx always; }"
        f" fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; }}"
    )
    argv: list[str | Path] = [peers.system("nginx"), "-e", "stderr", "-p", folder, "-c", config]
    async with Program("nginx", argv, folder, listens=("tcp", port)):
        yield port


async def _ask(port: int, data: bytes) -> list[bytes] | None:
    """The lines of the answer but for the clock's; None: a reset without a word."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:  # so soon that it looks like a refusal
        return None
    try:
        writer.write(data)
        await writer.drain()
        answer = await reader.read()
    except ConnectionError:
        return None
    finally:
        writer.transport.abort()
    return [line for line in answer.split(b"\r\n") if not line.startswith(b"Date:")]


async def _browse(url: str, version: str) -> tuple[str, list[str], str]:
    """Status, headers in order but for those of one moment or version, and body, by curl."""
    process = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--insecure", "--noproxy", "*", "--max-time", "10", "--include"),
        *(version, url),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    head, _, body = output.decode().replace("\r\n", "\n").partition("\n\n")
    status, *headers = head.lower().splitlines()
    kept = [line for line in headers if not line.startswith(("date:", "connection:"))]
    return status.split()[1], kept, body


async def _send(port: int, data: bytes) -> list[asyncio.StreamWriter]:
    """The connection that has sent this; none if it was reset as soon as it was made."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return []
    writer.write(data)
    return [writer]
