"""Every protocol that a client speaks with applications, and others' programs that speak it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from tests.unit.tunnel.applications import exchange, socks5

from blinktun.address import Address
from blinktun.config.model import (
    BlinksocksClient,
    Credentials,
    Inbound,
    PresetSpec,
    ServerLink,
    Tls,
)
from blinktun.errors import ConfigError, TransportError
from blinktun.net.resolve import Resolver
from blinktun.testing.certificates import self_signed
from blinktun.testing.loopback import ANY_PORT, echo, read_all, read_exactly, serving, tunnel
from blinktun.transports import tls
from blinktun.transports.tcp import TcpDialer
from blinktun.tunnel import blinksocks_client as room
from blinktun.tunnel.blinksocks_client import BlinksocksClientRole

if TYPE_CHECKING:
    from pathlib import Path

    from blinktun.transports.base import Stream


async def _web(stream: Stream) -> None:
    """Answer every request with its own head and body."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += await stream.receive()
    head, _, body = request.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += await stream.receive()
    answer = head + b"\n" + body
    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(answer))
    await stream.send(b"Connection: close\r\n\r\n" + answer)
    await stream.aclose()


async def test_one_port_for_every_protocol() -> None:
    async with serving(_web) as target, tunnel(Inbound.AUTO) as there:
        stream = await TcpDialer().connect(there.entry)
        request = f"GET http://{target}/page HTTP/1.1\r\nHost: {target}\r\n\r\n"
        assert b"GET /page HTTP/1.1\r\n" in await exchange(stream, request.encode())
        answer = await exchange(await socks5(there.entry, target), b"GET / HTTP/1.0\r\n\r\n")
        assert answer.endswith(b"\nGET / HTTP/1.0\n")
        nothing = await TcpDialer().connect(there.entry)
        assert await exchange(nothing, b"\x16\x03\x01") == b""


@pytest.mark.parametrize(
    ("inbound", "options"),
    [
        (Inbound.SOCKS, ["--socks5", "{entry}"]),
        (Inbound.SOCKS, ["--socks5-hostname", "{entry}"]),
        (Inbound.SOCKS, ["--socks4", "{entry}"]),
        (Inbound.AUTO, ["--socks4", "{entry}"]),
        (Inbound.SOCKS, ["--socks4a", "{entry}"]),
        (Inbound.HTTP, ["--proxy", "http://{entry}"]),
        (Inbound.AUTO, ["--proxy", "http://{entry}"]),
        (Inbound.HTTP, ["--proxytunnel", "--proxy", "http://{entry}"]),
        (Inbound.HTTP, ["--proxy", "http://{entry}", "--header", "Transfer-Encoding: chunked"]),
    ],
)
async def test_curl(inbound: Inbound, options: list[str]) -> None:
    async with serving(_web) as target, tunnel(inbound) as there:
        url = f"http://localhost:{target.port}/page?query"
        status, output = await _curl(
            "--ipv4", *(option.format(entry=there.entry) for option in options), url, url
        )
    assert status == 0
    assert output.count("GET /page?query HTTP/1.1") == 2


@pytest.mark.parametrize(
    ("user", "status"), [("user:p%40ss", "200"), ("user:p%2540ss", "200"), ("user:nope", "407")]
)
async def test_curl_with_a_password(user: str, status: str) -> None:
    credentials = Credentials("user", "p@ss", "user", "p%40ss")
    async with serving(_web) as target, tunnel(Inbound.HTTP, credentials=credentials) as there:
        _, output = await _curl(
            "--write-out",
            "%{http_code}",
            "--proxy",
            f"http://{user}@{there.entry}",
            f"http://{target}/",
        )
    assert output.endswith(status)
    assert "roxy-" not in output


@pytest.mark.parametrize(("user", "status"), [("user:pass", 0), ("user:nope", 97)])
async def test_curl_with_a_password_for_socks5(user: str, status: int) -> None:
    credentials = Credentials("user", "pass")
    async with serving(_web) as target, tunnel(Inbound.SOCKS, credentials=credentials) as there:
        code, _ = await _curl("--proxy", f"socks5h://{user}@{there.entry}", f"http://{target}/")
    assert code == status


async def _curl(*options: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        "curl",
        "--silent",
        "--max-time",
        "10",
        "--noproxy",
        "",
        *options,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_an_http_proxy_over_tls(tmp_path: Path) -> None:
    made = self_signed(tmp_path, "localhost")
    async with (
        serving(echo) as target,
        tunnel(Inbound.HTTP, https=made) as tun,
    ):
        dialer = tls.dialer(ServerLink("tls", tun.entry, "", tls=made), Resolver())
        app = await dialer.connect(Address("localhost", tun.entry.port))
        await app.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert bytes(await app.receive()).startswith(b"HTTP/1.1 200 ")
        assert await exchange(app, b"x" * 300_000) == b"x" * 300_000
        await app.aclose()


@pytest.mark.parametrize("request_", [b"GET http://h/ HTTP/1.1", b"CONNECT h:443 HTTP/1.1"])
async def test_a_request_without_tls_at_an_https_proxy_reads_what_to_do(
    request_: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with tunnel(Inbound.HTTP, https=self_signed(tmp_path, "localhost")) as tun:
        app = await TcpDialer().connect(tun.entry)
        page = await exchange(app, request_ + b"\r\nHost: h\r\n\r\n")
    assert page.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert page.endswith(
        b"\r\n\r\nthis port speaks HTTPS: write https:// for the proxy, not http://\n"
    )
    assert "HTTP without TLS, but this port speaks HTTPS" in caplog.text


@pytest.mark.parametrize("answers", [True, False])
async def test_a_polite_end_over_tls_and_mux_is_answered_soon(
    answers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mux cannot tell the target; an application that waits for our end is not kept for long."""
    monkeypatch.setattr(room, "_TLS_ANSWER_WAIT", 1)

    async def answer(stream: Stream) -> None:
        await stream.receive()
        for _ in range(8 if answers else 1):
            await asyncio.sleep(0.15)  # longer than the wait, altogether
            await stream.send(b"x" * 1000)
        if answers:
            await stream.aclose()
        else:
            await read_all(stream)

    made = self_signed(tmp_path, "localhost")
    async with (
        serving(answer) as target,
        tunnel(Inbound.HTTP, https=made, mux=True) as tun,
    ):
        dialer = tls.dialer(ServerLink("tls", tun.entry, "", tls=made), Resolver())
        app = await dialer.connect(Address("localhost", tun.entry.port))
        await app.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n?".encode())
        assert bytes(await app.receive()).startswith(b"HTTP/1.1 200 ")
        await app.send_eof()
        async with asyncio.timeout(10):
            if answers:
                assert await read_all(app) == b"x" * 8000
            else:
                assert await read_exactly(app, 1000) == b"x" * 1000
                with pytest.raises(TransportError):  # whoever waited for more is not deceived
                    await app.receive()
        app.abort()


async def test_an_https_service_with_a_broken_certificate(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing")
    link = ServerLink("tcp", ANY_PORT, "secret", (PresetSpec("ss-base"),))
    role = BlinksocksClientRole(
        BlinksocksClient(Inbound.HTTP, ANY_PORT, link, https=Tls(broken, broken))
    )
    with pytest.raises(ConfigError, match="https_cert"):
        await role.start()
    await role.stop()
