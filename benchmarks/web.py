"""nginx behind the tunnel, wrk in front of it."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.interop.harness.peers import system
from tests.interop.harness.ports import free_port
from tests.interop.harness.processes import Program

from benchmarks.model import MeasureError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_BODY = "x" * 512
_CONFIG = """
daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 20000;
pid {folder}/nginx.pid; error_log {folder}/nginx-error.log crit;
events {{ worker_connections 12000; }}
http {{
  access_log off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port} backlog=4096; return 200 "{body}"; }}
}}
"""

_TIMES = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Load:
    """What wrk saw: requests a second, their count, and latencies in milliseconds."""

    rate: float
    requests: int
    median_ms: float
    p99_ms: float


@asynccontextmanager
async def nginx(folder: Path) -> AsyncIterator[Program]:
    """A web server of its own, with 512 bytes at every path."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, body=_BODY))
    # `-e`: nginx would complain about its usual log before it has read the configuration.
    argv: list[str | Path] = [system("nginx"), "-e", folder / "nginx-error.log", "-c", config]
    async with Program("nginx", argv, folder, listens=("tcp", port)) as program:
        yield program


async def get(port: int) -> None:
    """Ask once.

    Raises:
        MeasureError: the answer is not 200.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    line = await reader.readline()
    writer.close()
    if b" 200 " not in line:
        raise MeasureError(f"nginx answers {line!r}")


async def wrk(port: int, connections: int, seconds: float, *, keep_alive: bool) -> Load:
    """Ask as fast as answers come.

    Args:
        port: Where to connect.
        connections: How many at once.
        seconds: For how long; wrk takes whole ones.
        keep_alive: Use each connection for many requests; else for one.

    Raises:
        MeasureError: no answer came.
    """
    argv = ["--threads", "1", "--connections", str(connections), "--latency", "--timeout", "10s"]
    argv += ["--duration", f"{max(1, round(seconds))}s", f"http://127.0.0.1:{port}/"]
    if not keep_alive:
        argv += ["--header", "Connection: close"]
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "--", str(system("wrk")), *argv),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(seconds + 30):
        output, _ = await process.communicate()
    return _parse(output.decode())


def _parse(said: str) -> Load:
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    count = re.search(r"(\d+) requests in", said)
    if not rate or not count or not int(count[1]):
        raise MeasureError(f"wrk: {' '.join(said.split())[-300:]}")
    return Load(float(rate[1]), int(count[1]), _latency(said, "50%"), _latency(said, "99%"))


def _latency(said: str, share: str) -> float:
    found = re.search(rf"^\s+{share}\s+([\d.]+)(us|ms|s|m)$", said, re.MULTILINE)
    if not found:
        raise MeasureError(f"wrk: no latency in {said}")
    return float(found[1]) * _TIMES[found[2]]
