"""kcp:// between a blinksocks client and server: no kcptun, and datagrams in streams."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.interop.harness import peers, traffic
from tests.interop.harness.lossy import lossy_path
from tests.interop.harness.ports import free_port
from tests.interop.harness.processes import Program

from blinktun.address import Address
from blinktun.testing.loopback import Datagrams, answering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.interop.harness.ports import Protocol
    from tests.interop.harness.target import Target

LINK = {
    "key": "correct horse battery staple",
    "presets": [{"name": "ss-base"}, {"name": "ss-aead-cipher"}],
}


@asynccontextmanager
async def _pair(folder: Path, options: str, loss: float) -> AsyncIterator[int]:
    """A running client and server; yields the port of the client."""
    server_port, client_port = free_port(), free_port()
    server = {**LINK, "service": f"kcp://127.0.0.1:{server_port}?{options}"}
    with lossy_path(server_port, loss, seed=options) as between:
        client = {
            "service": f"socks5://127.0.0.1:{client_port}",
            "server": {**LINK, "service": f"kcp://127.0.0.1:{between.port}?{options}"},
        }
        async with (
            _box(folder, server, ("udp", server_port)),
            _box(folder, client, ("tcp", client_port)),
        ):
            yield client_port


def _box(folder: Path, config: dict[str, Any], listens: tuple[Protocol, int]) -> Program:
    path = folder / f"{listens[1]}.json"
    path.write_text(json.dumps(config))
    return Program(path.stem, [peers.ours("blinksocks"), "-c", path], folder, listens=listens)


@pytest.mark.parametrize("options", ["", "crypt=aes-128-gcm&mode=fast3", "crypt=none&ds=0&ps=0"])
@pytest.mark.parametrize("loss", [0.0, 0.05])
async def test_a_pair_without_kcptun(
    options: str, loss: float, target: Target, tmp_path: Path
) -> None:
    async with _pair(tmp_path, options, loss) as proxy:
        connect = traffic.socks5(proxy, target.port)
        async with asyncio.TaskGroup() as group:
            for size in (1, 70_000, 3_000_000):
                group.create_task(traffic.echo(connect, size, within=60))
                group.create_task(traffic.upload_to_eof(connect, size, within=60))


async def test_datagrams(tmp_path: Path) -> None:
    async with _pair(tmp_path, "", 0.05) as proxy, answering(bytes.upper) as where:
        app = await Datagrams.associate(Address("127.0.0.1", proxy))
        for size in (0, 1, 1_000, 9_000):
            app.send(where, b"x" * size)
            assert await app.receive() == (where, b"X" * size)
        app.close()
