from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from blinktun import app
from blinktun.address import Address
from blinktun.config.model import KcpSettings, KcptunClient, KcptunServer, PortRange
from blinktun.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PROGRAM = """
import logging, sys
from blinktun import app
from blinktun.address import Address
from blinktun.config.model import KcptunClient, PortRange

logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")
server = PortRange("127.0.0.1", int(sys.argv[1]), int(sys.argv[1]))
sys.exit(app.run([KcptunClient(Address("127.0.0.1", 0), server) for _ in range(2)]))
"""
PATIENCE = 8.0
"""Less than the seconds that connections have to end."""


class Program:
    """A process with two idle kcptun clients.

    Attributes:
        process: The process.
        addresses: Where they listen.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.addresses: list[Address] = []

    async def line(self) -> str:
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE):
            return (await self.process.stdout.readline()).decode()

    async def exit_code(self, within: float) -> int:
        async with asyncio.timeout(within):
            return await self.process.wait()


@asynccontextmanager
async def program(server_port: int = 9) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(server_port), stdout=asyncio.subprocess.PIPE
    )
    made = Program(process)
    try:
        for _ in range(2):
            _, _, rest = (await made.line()).partition("listening on: ")
            made.addresses.append(Address.parse(rest.partition(",")[0]))
        yield made
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_idle_roles_at_once(number: signal.Signals) -> None:
    async with program() as running:
        running.process.send_signal(number)
        assert await running.exit_code(within=PATIENCE) == 0
        assert "transfers have 5 s to end" in await running.line()


async def test_a_second_signal_breaks_connections_off() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        await _end_with_a_connection(server)


async def _end_with_a_connection(server: socket.socket) -> None:
    async with program(server.getsockname()[1]) as running:
        host, port = running.addresses[1].host, running.addresses[1].port
        reader, writer = await asyncio.open_connection(host, port)
        async with asyncio.timeout(PATIENCE):
            await asyncio.get_running_loop().sock_recv(server, 2048)  # it has a stream now
        assert "smux version: 1 on connection: " in await running.line()
        running.process.send_signal(signal.SIGTERM)
        assert "stopping" in await running.line()
        with pytest.raises(TimeoutError):
            await running.exit_code(within=0.3)
        running.process.send_signal(signal.SIGTERM)
        assert await running.exit_code(within=PATIENCE) == 0
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


def test_an_address_in_use_is_exit_status_1(caplog: pytest.LogCaptureFixture) -> None:
    nobody = PortRange("127.0.0.1", 9, 9)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = Address(*taken.getsockname())
        free = KcptunClient(Address("127.0.0.1", 0), nobody)
        assert app.run([free, KcptunClient(where, nobody)]) == app.START_FAILED == 1
    assert f"cannot listen on tcp {where}" in caplog.text


def test_a_failed_start_names_file_key_and_remedy(caplog: pytest.LogCaptureFixture) -> None:
    nobody = PortRange("127.0.0.1", 9, 9)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = Address(*taken.getsockname())
        assert app.run([KcptunClient(where, nobody, source="k.json")]) == 1
    assert (
        f"k.json: localaddr: cannot listen on tcp {where}: Address already in use by another"
        f" program (find it: ss -lntp sport = :{where.port})"
    ) in caplog.text


def test_a_failed_start_is_said_on_standard_error_when_the_log_goes_to_a_file(
    tmp_path: Path,
) -> None:
    log = tmp_path / "k.log"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [
            sys.executable,
            "-c",
            "import sys; from blinktun.cli.kcptun import client_main; sys.exit(client_main())",
        ]
        done = subprocess.run(
            [*command, "-l", f"127.0.0.1:{port}", "-r", "h:1", "-log", str(log)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    line = f"command line: localaddr: cannot listen on tcp 127.0.0.1:{port}: "
    assert done.stderr.startswith(line)
    assert line in log.read_text()


def test_a_configuration_that_cannot_work_keeps_all_from_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = sys.modules[app.run.__module__]
    monkeypatch.setattr(module, "run_in_loop", lambda _main: pytest.fail("it ran"))
    good = KcptunServer(PortRange("127.0.0.1", 0, 0), Address("127.0.0.1", 9))
    bad = KcptunServer(good.listen, good.target, KcpSettings(mtu=10))
    with pytest.raises(ConfigError):
        app.run([good, bad])


async def test_both_signals_are_watched() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        stop = app.watch_signals()
        signal.raise_signal(number)
        async with asyncio.timeout(PATIENCE):
            await stop.wait()
