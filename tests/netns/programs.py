"""The programs of `tests/interop`, each on its machine."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from tests.interop.harness import peers
from tests.interop.harness.boxes import flags, kcptun_command
from tests.interop.harness.processes import Program
from tests.interop.harness.target import CHUNK, Target

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.harness.boxes import Kcptun, Options
    from tests.interop.harness.ports import Protocol
    from tests.interop.harness.traffic import Connect, Connection
    from tests.netns.machine import Machine

CLIENT_PORT, SERVER_PORT = 12948, 29900
"""kcptun's usual ports; every machine has all of its own."""


class Resident(Program):
    """A program that runs on a machine."""

    def __init__(
        self,
        machine: Machine,
        name: str,
        argv: list[str | Path],
        folder: Path,
        *,
        listens: tuple[Protocol, int],
    ) -> None:
        self._machine = machine
        name = f"{machine.name}-{name}"
        super().__init__(name, machine.command(*argv), folder, listens=listens)

    @property
    def is_listening(self) -> bool:
        """Whether its port is open there."""
        with self._machine.inside():
            return super().is_listening


def kcptun_client(
    machine: Machine, impl: Kcptun, folder: Path, *, remote: str, options: Options
) -> Program:
    """TCP at 127.0.0.1 of the machine, KCP to the server at the address `remote`."""
    own: Options = {"l": f"127.0.0.1:{CLIENT_PORT}", "r": f"{remote}:{SERVER_PORT}"}
    argv = [*kcptun_command(impl, "client"), *flags(own | options)]
    listens: tuple[Protocol, int] = ("tcp", CLIENT_PORT)
    return Resident(machine, f"{impl}-kcptun-client", argv, folder, listens=listens)


def kcptun_server(
    machine: Machine, impl: Kcptun, folder: Path, *, target: int, options: Options, host: str = ""
) -> Program:
    """KCP at the address `host`, at all addresses without, TCP to 127.0.0.1 of the machine."""
    own: Options = {"l": f"{host}:{SERVER_PORT}", "t": f"127.0.0.1:{target}"}
    argv = [*kcptun_command(impl, "server"), *flags(own | options)]
    listens: tuple[Protocol, int] = ("udp", SERVER_PORT)
    return Resident(machine, f"{impl}-kcptun-server", argv, folder, listens=listens)


def blinksocks(machine: Machine, folder: Path, config: dict[str, Any], port: int) -> Program:
    """Our blinksocks with this configuration, which makes it listen on `port`."""
    protocol: Protocol = "udp" if config["service"].startswith("kcp:") else "tcp"
    path = folder / f"{machine.name}-{port}.json"
    path.write_text(json.dumps(config))
    argv: list[str | Path] = [peers.ours("blinksocks"), "-c", path]
    return Resident(machine, "blinksocks", argv, folder, listens=(protocol, port))


def target_on(machine: Machine, host: str = "127.0.0.1") -> Target:
    """The harness's target at an address of the machine, in the process of the test."""
    listener = machine.socket()
    listener.bind((host, 0))
    return Target(listener=listener)


def direct(machine: Machine, port: int = CLIENT_PORT, host: str = "127.0.0.1") -> Connect:
    """Connect from the machine, by code of the test."""

    async def connect() -> Connection:
        connection = machine.socket()
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, (host, port))
            return await asyncio.open_connection(sock=connection, limit=2 * CHUNK)
        except BaseException:
            connection.close()
            raise

    return connect
