"""Addresses of both kcptun roles, the Go program at the other end: IPv6, ranges, UNIX sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import flags, kcptun_command
from tests.interop.harness.ports import free_port
from tests.interop.harness.processes import Program
from tests.interop.harness.target import CHUNK, Target
from tests.interop.harness.traffic import direct

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.interop.harness.boxes import Kcptun, Options

MIXED: list[tuple[Kcptun, Kcptun]] = [("ours", "theirs"), ("theirs", "ours")]
OPTIONS: Options = {"mode": "fast3", "key": "k", "quiet": True}
SIZE = 300_000


def client(impl: Kcptun, folder: Path, local: str, remote: str, **options: int) -> Program:
    argv = [
        *kcptun_command(impl, "client"),
        *_flags(l=local, r=remote, **options),
    ]
    return Program(f"{impl}-client", argv, folder, listens=("tcp", _port(local)))


def server(impl: Kcptun, folder: Path, listen: str, target: str, **options: int) -> Program:
    argv = [
        *kcptun_command(impl, "server"),
        *_flags(l=listen, t=target, **options),
    ]
    return Program(f"{impl}-server", argv, folder, listens=("udp", _port(listen)))


def _flags(**options: str | int) -> list[str]:
    return flags(OPTIONS | options)


def _port(text: str) -> int:
    return int(text.rpartition(":")[2].partition("-")[0])


@pytest.mark.parametrize(
    ("listen", "remote"),
    [
        ("[::1]:", "[::1]:"),
        ("[::]:", "[::1]:"),
        ("[::]:", "127.0.0.1:"),
        (":", "[::1]:"),
        (":", ":"),
    ],
)
@pytest.mark.parametrize(("near", "far"), MIXED)
async def test_ipv6_between_the_programs(
    near: Kcptun, far: Kcptun, listen: str, remote: str, target: Target, tmp_path: Path
) -> None:
    udp, tcp = free_port(), free_port()
    async with (
        server(far, tmp_path, f"{listen}{udp}", f"127.0.0.1:{target.port}"),
        client(near, tmp_path, f"127.0.0.1:{tcp}", f"{remote}{udp}"),
    ):
        await traffic.echo(direct(tcp), SIZE)


@pytest.mark.parametrize(("near", "far"), MIXED)
async def test_ipv6_for_applications_and_targets(near: Kcptun, far: Kcptun, tmp_path: Path) -> None:
    udp, tcp = free_port(), free_port()
    async with (
        Target("::1") as target,
        server(far, tmp_path, f"[::1]:{udp}", f"[::1]:{target.port}", dscp=46),
        client(near, tmp_path, f"[::1]:{tcp}", f"[::1]:{udp}", dscp=46),
    ):
        await traffic.echo(lambda: asyncio.open_connection("::1", tcp, limit=2 * CHUNK), SIZE)


@pytest.mark.parametrize("workers", [1, 2])
async def test_every_port_of_a_range_serves_the_go_client(
    target: Target, tmp_path: Path, workers: int
) -> None:
    first = _free_neighbours(3)
    listen, where = f"127.0.0.1:{first}-{first + 2}", f"127.0.0.1:{target.port}"
    async with server("ours", tmp_path, listen, where, workers=workers) as far:
        for port in range(first, first + 3):
            tcp = free_port()
            async with client("theirs", tmp_path, f"127.0.0.1:{tcp}", f"127.0.0.1:{port}"):
                await traffic.echo(direct(tcp), SIZE)
                await _all_ended(target)  # a client that is killed before says no goodbye
        tcp = free_port()
        async with client("ours", tmp_path, f"127.0.0.1:{tcp}", listen, conn=12):
            for _ in range(12):
                await traffic.echo(direct(tcp), 1000)
            await _all_ended(target)
        far.terminate()
        assert await far.exit_code(5) == 0
    assert f"listening on: {listen}" in far.log


async def _all_ended(target: Target) -> None:
    async with asyncio.timeout(5):
        while len(target.ends) < target.accepted:
            await asyncio.sleep(0.01)


def _free_neighbours(count: int) -> int:
    """The first of as many free ports."""
    while True:
        first = free_port()
        if all(free_port() == first + step for step in range(1, count)):
            return first


async def test_a_busy_port_of_a_range_ends_the_server(target: Target, tmp_path: Path) -> None:
    first = _free_neighbours(2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", first + 1))
        listen = f"127.0.0.1:{first}-{first + 1}"
        far = server("ours", tmp_path, listen, f"127.0.0.1:{target.port}")
        with contextlib.suppress(AssertionError):  # its first port may be open for a moment
            await far.start()
        assert await far.exit_code(10) == 1
    assert f"cannot listen on udp 127.0.0.1:{first + 1}: Address already in use" in far.log


@asynccontextmanager
async def unix_target(path: Path, target: Target) -> AsyncIterator[None]:
    """A UNIX socket that leads to the target."""
    async with asyncio.TaskGroup() as group:

        def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            serving.append(group.create_task(serve(reader, writer)))

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            onward = await asyncio.open_connection("127.0.0.1", target.port, limit=2 * CHUNK)
            try:
                with contextlib.suppress(ConnectionError):
                    await asyncio.gather(_copy(reader, onward[1]), _copy(onward[0], writer))
            finally:
                onward[1].close()
                writer.close()

        serving: list[asyncio.Task[None]] = []
        async with await asyncio.start_unix_server(on_connection, path, limit=2 * CHUNK):
            yield
        for task in serving:  # the programs have stopped, maybe just now
            task.cancel()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def test_applications_on_a_unix_socket_with_the_go_server(
    target: Target, tmp_path: Path
) -> None:
    udp, path = free_port(), tmp_path / "near.sock"
    argv = [
        *kcptun_command("ours", "client"),
        *_flags(l=str(path), r=f"127.0.0.1:{udp}"),
    ]
    async with (
        server("theirs", tmp_path, f"127.0.0.1:{udp}", f"127.0.0.1:{target.port}"),
        Program("unix-client", argv, tmp_path, listens=path) as near,
    ):

        async def connect() -> traffic.Connection:
            return await asyncio.open_unix_connection(path, limit=2 * CHUNK)

        await traffic.download(connect, 5_000_000)
        await traffic.echo(connect, SIZE)
        # Killed, it leaves its file behind; started again, it takes the place over.
        near.kill()
        assert path.exists()
        await near.start()
        await traffic.echo(connect, SIZE)
        near.terminate()
        assert await near.exit_code(3) == 0
        assert not path.exists()


@pytest.mark.parametrize("near", ["ours", "theirs"])
async def test_a_target_on_a_unix_socket(near: Kcptun, target: Target, tmp_path: Path) -> None:
    udp, tcp, path = free_port(), free_port(), tmp_path / "far.sock"
    async with (
        unix_target(path, target),
        server("ours", tmp_path, f"127.0.0.1:{udp}", str(path)),
        client(near, tmp_path, f"127.0.0.1:{tcp}", f"127.0.0.1:{udp}"),
    ):
        await traffic.download(direct(tcp), 5_000_000)
        await traffic.upload(direct(tcp), SIZE)
