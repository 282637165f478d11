"""curl, wrk and Node before our HTTP proxy; nginx and an origin of our own behind it."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

import h11
import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import (
    Blinksocks,
    Link,
    blinksocks_from_file,
    bs_server,
)
from tests.interop.harness.http_proxies import HTTP_PRESETS, curl, http_proxy, nginx
from tests.interop.harness.peers import system
from tests.interop.harness.ports import free_port
from tests.interop.harness.processes import output_of

from blinktun.testing.loopback import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.target import Target

    from blinktun.transports.base import Stream

SERVERS: list[Blinksocks] = ["ours", "3.3.0"]
BODY = bytes(range(251)) * 20_000


class Origin:
    """A server that tells what was asked: method, target, framing and hash of the body."""

    def __init__(self) -> None:
        self.connections = 0
        self.names: set[bytes] = set()

    async def serve(self, stream: Stream) -> None:
        self.connections += 1
        parser = h11.Connection(h11.SERVER)
        while request := await self._request(stream, parser):
            answer = b"%s %s" % (request.method, request.target)
            framing, digest = await self._body(stream, parser, request)
            answer += b" %s %s\n" % (framing, digest)
            headers = (
                [] if b"/unknown" in request.target else [("Content-Length", str(len(answer)))]
            )
            if b"/end" in request.target:
                headers = [("Connection", "close")]
            sent = parser.send(h11.Response(status_code=200, headers=headers))
            if request.method != b"HEAD":
                sent += parser.send(h11.Data(data=answer))
            await stream.send(sent + parser.send(h11.EndOfMessage()))
            if parser.our_state is not h11.DONE:
                break
            parser.start_next_cycle()
        await stream.aclose()

    async def _request(self, stream: Stream, parser: h11.Connection) -> h11.Request | None:
        while (event := parser.next_event()) is h11.NEED_DATA:
            parser.receive_data(bytes(await stream.receive()))
        if not isinstance(event, h11.Request):
            return None
        self.names |= {name for name, _ in event.headers}
        return event

    async def _body(
        self, stream: Stream, parser: h11.Connection, request: h11.Request
    ) -> tuple[bytes, bytes]:
        if parser.they_are_waiting_for_100_continue:
            await stream.send(parser.send(h11.InformationalResponse(status_code=100, headers=[])))
        digest = hashlib.sha256()
        while not isinstance(event := parser.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                digest.update(event.data)
            else:
                parser.receive_data(bytes(await stream.receive()))
        names = {name for name, _ in request.headers}
        framing = b"chunked" if b"transfer-encoding" in names else b"length"
        return framing, digest.hexdigest().encode()


def _told(line: str, body: bytes = b"") -> bytes:
    """What the origin tells."""
    return f"{line} {hashlib.sha256(body).hexdigest()}\n".encode()


# --- curl ---


@pytest.mark.parametrize("server", SERVERS)
async def test_curl_asks_for_several_pages(server: Blinksocks, tmp_path: Path) -> None:
    origin = Origin()
    async with (
        serving(origin.serve) as one,
        serving(origin.serve) as two,
        http_proxy(server, tmp_path) as proxy,
    ):
        paths = [f"{one}/a?b=c", f"{one}/unknown", f"{two}/c", f"{one}/end", f"{one}/d"]
        said = await curl(proxy, *(f"http://{path}" for path in paths))
        assert said == b"".join(
            _told(f"GET {path} length") for path in ("/a?b=c", "/unknown", "/c", "/end", "/d")
        )
        # /a and /unknown shared one; and curl itself had but one connection.
        assert origin.connections == 4
        opened = await curl(proxy, f"http://{one}/[1-3]", "--write-out", "%{num_connects};")
        assert re.findall(rb"(\d);", opened) == [b"1", b"0", b"0"]
        heads = await curl(proxy, f"http://{one}/", f"http://{one}/unknown", "--head")
        assert heads.count(b"HTTP/1.1 200") == 2
    assert not {name for name in origin.names if name.startswith(b"proxy-")}


@pytest.mark.parametrize("server", SERVERS)
async def test_curl_sends_bodies(server: Blinksocks, tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(BODY)
    expects = ("--header", "Expect: 100-continue", "--expect100-timeout", "30")
    async with serving(Origin().serve) as origin, http_proxy(server, tmp_path) as proxy:
        url = f"http://{origin}/up"
        put, post = _told("PUT /up length", BODY), _told("POST /up length", BODY)
        upload = ("--upload-file", str(file))
        assert await curl(proxy, url, "--data-binary", f"@{file}") == post
        assert await curl(proxy, url, *upload) == put
        assert await curl(proxy, url, *upload, *expects) == put
        assert await curl(proxy, url, *upload, "--http1.0") == put
        chunked = await curl(proxy, url, "--upload-file", "-", sends=BODY)
        assert chunked == _told("PUT /up chunked", BODY)
        posts = [url, url, "--data-binary", f"@{file}", "--header", "Transfer-Encoding: chunked"]
        assert await curl(proxy, *posts) == _told("POST /up chunked", BODY) * 2


async def test_curl_with_a_password(tmp_path: Path) -> None:
    origin = Origin()
    async with (
        serving(origin.serve) as target,
        http_proxy("ours", tmp_path, user="user:p%40ss") as proxy,
    ):
        url = f"http://{target}/"
        told = _told("GET / length")
        # --proxy-anyauth asks without a password first, on the same connection.
        login = ("--proxy-user", "user:p@ss")
        asked = await curl(
            proxy, url, url, *login, "--proxy-anyauth", "--write-out", "%{num_connects};"
        )
        assert asked == told + b"1;" + told + b"0;"
        assert await curl(proxy, url, "--proxytunnel", *login, "--proxy-anyauth") == told
        wrong = await curl(proxy, url, "--proxy-user", "user:no", "--write-out", "%{http_code}")
        assert wrong == b"wrong or no credentials\n407"
    assert b"proxy-authorization" not in origin.names


@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h", "http"])
async def test_one_port_of_a_file_of_2_5(scheme: str, tmp_path: Path) -> None:
    link = Link(HTTP_PRESETS)
    remote = {"enabled": True, "transport": "tcp", "host": "127.0.0.1", "port": link.port}
    values = {"host": "127.0.0.1", "port": free_port(), "log_path": "bs.log", "workers": 0}
    values["servers"] = [remote | {"key": link.key, "presets": HTTP_PRESETS}]
    config = tmp_path / "client.json"
    config.write_text(json.dumps(values))
    async with (
        serving(Origin().serve) as target,
        bs_server("3.3.0", tmp_path, link),
        blinksocks_from_file("ours", config) as near,
    ):
        said = await curl(f"{scheme}://127.0.0.1:{near.port}", f"http://{target}/")
        assert said == _told("GET / length")


@pytest.mark.parametrize("server", SERVERS)
async def test_a_long_download(server: Blinksocks, target: Target, tmp_path: Path) -> None:
    async with http_proxy(server, tmp_path) as proxy:
        output = tmp_path / "fetched"
        await traffic.curl(proxy, f"http://127.0.0.1:{target.port}/50000000", output)
        traffic.check_file(output, 50_000_000)


# --- nginx, wrk, Node ---


@pytest.mark.parametrize("server", SERVERS)
async def test_nginx(server: Blinksocks, tmp_path: Path) -> None:
    text = b"words " * 50_000
    (tmp_path / "words.txt").write_bytes(text)
    async with nginx(tmp_path) as port, http_proxy(server, tmp_path) as proxy:
        url = f"http://127.0.0.1:{port}"
        # gzip on the fly has no length: chunks.
        fetched = await curl(proxy, f"{url}/words.txt", f"{url}/words.txt", "--compressed")
        assert fetched == text * 2
        part = await curl(proxy, f"{url}/words.txt", "--range", "6-10")
        assert part == b"words"
        early = await curl(
            proxy, f"{url}/words.txt", "--data-binary", "@-", "--write-out", "%{http_code}",
            "--output", "/dev/null", "--header", "Expect: 100-continue", sends=BODY
        )  # fmt: skip
        assert early == b"413"


@pytest.mark.parametrize("server", SERVERS)
async def test_wrk(server: Blinksocks, tmp_path: Path) -> None:
    async with nginx(tmp_path) as port, http_proxy(server, tmp_path) as proxy:
        script = tmp_path / "proxied.lua"
        script.write_text(
            f'request = function() return wrk.format("GET", "http://127.0.0.1:{port}/page") end\n'
        )
        said = await output_of(
            *(str(system("wrk")), "-t1", "-c20", "-d2s", "-s", str(script), f"{proxy}/")
        )
    found = re.search(rb"(\d+) requests in", said)
    assert found is not None, said
    assert int(found[1]) > 100
    assert b"Socket errors" not in said
    assert b"Non-2xx" not in said


NODE = """
const http = require('http'), crypto = require('crypto');
const [proxy, target] = process.argv.slice(1);
const agent = new http.Agent({keepAlive: true, maxSockets: 2});
const sockets = new Set();
function ask(n) {
  return new Promise((resolve, reject) => {
    const body = n % 2 ? Buffer.alloc(n * 20000, n) : null;
    const request = http.request({
      agent, host: '127.0.0.1', port: proxy, method: body ? 'POST' : 'GET',
      path: `http://127.0.0.1:${target}/${n % 3 ? n : 'unknown'}`, headers: {Host: 'x'},
    }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => {
        const hash = crypto.createHash('sha256').update(body || '').digest('hex');
        const told = Buffer.concat(parts).toString();
        told.endsWith(` ${hash}\\n`) ? resolve() : reject(new Error(told));
      });
    });
    request.on('socket', (socket) => sockets.add(socket));
    request.on('error', reject);
    request.end(body);
  });
}
Promise.all([...Array(40).keys()].map(ask)).then(() => {
  console.log(`${sockets.size} connections`);
  agent.destroy();
}, (error) => { console.error(error); process.exit(1); });
"""


@pytest.mark.parametrize("server", SERVERS)
async def test_an_agent_of_node(server: Blinksocks, tmp_path: Path) -> None:
    origin = Origin()
    async with serving(origin.serve) as target, http_proxy(server, tmp_path) as proxy:
        port = proxy.rpartition(":")[2]
        assert await output_of("node", "-e", NODE, port, str(target.port)) == b"2 connections\n"
    assert origin.connections == 2
