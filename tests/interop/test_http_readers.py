"""What our HTTP proxy sends, read by Node's parser and by nginx: the messages that we meant.

Readers may refuse what we pass on (Node knows few methods); they must not read anything else.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import defaultdict
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import h11
from tests.interop.harness.peers import system
from tests.interop.harness.ports import free_port
from tests.interop.harness.processes import Program, output_of
from tests.properties.http_passed import pass_back, pass_on
from tests.properties.http_readers import Message, plain_fields
from tests.properties.http_streams import Streams

from blinktun.address import Address
from blinktun.errors import TransportError
from blinktun.testing.loopback import serving
from blinktun.transports.tcp import TcpDialer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blinktun.transports.base import Stream

SCRIPT = Path(__file__).parent / "node" / "http_reader.js"
NODE_STREAMS, NGINX_STREAMS = 3000, 150


async def test_node_reads_the_requests_that_we_meant() -> None:
    meant, sent = [], []
    for seed in range(NODE_STREAMS):
        streams = Streams(Random(seed))
        passed = pass_on(streams.cut(streams.requests()))
        for messages, (whole, broken) in zip(passed.meant, passed.sent, strict=True):
            meant.append(messages)
            sent.append(("REQUEST", whole + broken))
    taken = await _check(meant, sent)
    assert taken > NODE_STREAMS / 2


async def test_node_reads_the_responses_that_we_meant() -> None:
    meant, sent = [], []
    for seed in range(NODE_STREAMS):
        random = Random(seed)
        streams, method = Streams(random), random.choice([b"GET", b"HEAD"])
        request = b"%b http://h/ HTTP/1.1\r\n\r\n" % method
        answered = pass_back(streams.cut(streams.response()), request)
        meant.append([answered.meant] if answered.meant else [])
        sent.append(("HEAD" if method == b"HEAD" else "RESPONSE", answered.got))
    taken = await _check(meant, sent)
    assert taken > NODE_STREAMS / 2


async def _check(meant: list[list[Message]], sent: list[tuple[str, bytes]]) -> int:
    """Compare what Node reads with what was meant; returns the number of messages."""
    lines = [json.dumps((kind, base64.b64encode(data).decode())) for kind, data in sent]
    said = await output_of("node", str(SCRIPT), sends="\n".join(lines).encode())
    taken = 0
    for expected, line, (_, data) in zip(meant, said.splitlines(), sent, strict=True):
        found, refused = json.loads(line)
        read = [_message(*message) for message in found]
        assert read == expected[: len(read)], data
        assert refused or len(read) == len(expected), data
        taken += len(read)
    return taken


def _message(first: list[str], fields: list[str], body: str) -> Message:
    names = [text.encode("latin-1") for text in fields]
    pairs = zip(names[::2], names[1::2], strict=True)
    one, other = first
    return Message((one.encode(), other.encode()), plain_fields(pairs), base64.b64decode(body))


# --- nginx ---

LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
NGINX = """
daemon off; master_process off; worker_processes 1; error_log {folder}/error.log crit;
pid {folder}/nginx.pid; events {{ worker_connections 100; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_set_header X-Port $remote_port; }}
  }}
}}
"""


async def test_nginx_reads_the_requests_that_we_meant(tmp_path: Path) -> None:
    seen = defaultdict[int, list[tuple[bytes, bytes, bytes]]](list)

    async def origin(stream: Stream) -> None:
        parser, body, request = h11.Connection(h11.SERVER), b"", None
        while not isinstance(event := parser.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif event is h11.NEED_DATA:
                parser.receive_data(bytes(await stream.receive()))
            else:
                break
        if request is not None:
            port = dict(request.headers)[b"x-port"]
            seen[int(port)].append((request.method, request.target, body))
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await stream.aclose()

    taken = 0
    async with serving(origin) as behind, _nginx(tmp_path, behind.port) as nginx:
        for seed in range(NGINX_STREAMS):
            streams = Streams(Random(seed))
            passed = pass_on(streams.cut(streams.requests()))
            for messages, (whole, broken) in zip(passed.meant, passed.sent, strict=True):
                read = seen[await _ask(nginx, whole + (broken or LAST))]
                meant = [(*message.first, message.body) for message in messages]
                left = iter([*meant, (b"GET", b"/last", b"")])
                assert all(message in left for message in read), (seed, whole, broken, read)
                taken += len(read)
    assert taken > NGINX_STREAMS


async def _ask(nginx: Address, data: bytes) -> int:
    """Send this, wait until nginx has closed, and return the port that was sent from."""
    stream = await TcpDialer().connect(nginx)
    assert stream.local is not None
    try:
        await stream.send(data)
        if not data.endswith(LAST):
            await stream.send_eof()
        async with asyncio.timeout(20):
            while await stream.receive():
                pass
    except TransportError:
        stream.abort()
    else:
        await stream.aclose()
    return stream.local.port


@asynccontextmanager
async def _nginx(folder: Path, origin: int) -> AsyncIterator[Address]:
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, origin=origin))
    argv: list[str | Path] = [system("nginx"), "-e", folder / "error.log", "-c", config]
    async with Program("nginx", argv, folder, listens=("tcp", port)):
        yield Address("127.0.0.1", port)
