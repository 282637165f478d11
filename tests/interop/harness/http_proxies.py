"""Our HTTP proxy with a server behind it, and the programs around the two."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.interop.harness.boxes import (
    Blinksocks,
    Link,
    Presets,
    blinksocks_from_file,
    bs_pair,
    bs_server,
)
from tests.interop.harness.peers import system
from tests.interop.harness.ports import free_port
from tests.interop.harness.processes import Program, output_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HTTP_PRESETS: Presets = [
    {"name": "ss-base"},
    {"name": "ss-aead-cipher", "params": {"method": "aes-256-gcm"}},
]
NGINX = """
daemon off; master_process off; worker_processes 1; error_log {folder}/error.log crit;
pid {folder}/nginx.pid; events {{ worker_connections 1000; }}
http {{
  access_log off; keepalive_requests 1000000; client_max_body_size 1m;
  gzip on; gzip_types text/plain; gzip_min_length 1; types {{ text/plain txt; }}
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}; root {folder};
    location /page {{ return 200 "a page"; }}
  }}
}}
"""


@asynccontextmanager
async def http_proxy(server: Blinksocks, folder: Path, *, user: str = "") -> AsyncIterator[str]:
    """Our client with a server; yields the URL of its HTTP proxy, without the password."""
    if not user:
        async with bs_pair("ours", server, folder, Link(HTTP_PRESETS), scheme="http") as near:
            yield f"http://127.0.0.1:{near.port}"
        return
    link, port = Link(HTTP_PRESETS), free_port()
    config = folder / "client.json"
    remote = {"service": link.service("127.0.0.1"), "key": link.key, "presets": HTTP_PRESETS}
    service = f"http://{user}@127.0.0.1:{port}"
    config.write_text(json.dumps({"service": service, "server": remote}))
    async with bs_server(server, folder, link), blinksocks_from_file("ours", config):
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def nginx(folder: Path) -> AsyncIterator[int]:
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port))
    argv: list[str | Path] = [system("nginx"), "-e", folder / "error.log", "-c", config]
    async with Program("nginx", argv, folder, listens=("tcp", port)):
        yield port


async def curl(proxy: str, *options: str, sends: bytes = b"") -> bytes:
    common = ("--silent", "--show-error", "--max-time", "30", "--noproxy", "", "--proxy", proxy)
    return await output_of("curl", *common, *options, sends=sends)
