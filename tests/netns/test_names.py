"""Names, as machines have them: a name server, a hosts file and a search list of their own."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness import traffic
from tests.interop.harness.boxes import flags, kcptun_command
from tests.netns.programs import (
    CLIENT_PORT,
    SERVER_PORT,
    Resident,
    blinksocks,
    direct,
    kcptun_client,
    kcptun_server,
    target_on,
)
from tests.unit.net.support import NameServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.interop.harness.boxes import Options
    from tests.interop.harness.processes import Program
    from tests.interop.harness.traffic import Connect
    from tests.netns.bed import Bed
    from tests.netns.machine import Machine

SOCKS, BLINKSOCKS = 1080, 7000
LINK = {"key": "a long random text", "presets": [{"name": "ss-base"}, {"name": "ss-aead-cipher"}]}
NO_ANSWER = (OSError, EOFError, AssertionError)
DEBIAN = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n"


@pytest.fixture
def box(bed: Bed) -> Machine:
    """A machine whose name server is the test's."""
    made = bed.machine("box")
    made.file("hosts", DEBIAN)
    made.file("resolv.conf", "nameserver 127.0.0.1\n")
    made.file("nsswitch.conf", "hosts: files dns\n")
    return made


@asynccontextmanager
async def names_of(box: Machine, host: str = "127.0.0.1") -> AsyncIterator[NameServer]:
    bound = box.socket(socket.SOCK_DGRAM)
    bound.bind((host, 53))
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, sock=bound)
    try:
        yield server
    finally:
        transport.close()


def proxy(box: Machine, folder: Path) -> tuple[Program, Program]:
    """A blinksocks server and client; the server looks names up."""
    server = {"service": f"tcp://127.0.0.1:{BLINKSOCKS}", "targets": "any", "dns_expire": 0, **LINK}
    client = {
        "service": f"socks5://127.0.0.1:{SOCKS}",
        "server": {"service": f"tcp://127.0.0.1:{BLINKSOCKS}", **LINK},
    }
    return blinksocks(box, folder, server, BLINKSOCKS), blinksocks(box, folder, client, SOCKS)


def through(box: Machine, name: str, port: int) -> Connect:
    """Connect to a name through the proxy, which looks it up."""

    async def connect() -> traffic.Connection:
        reader, writer = await direct(box, SOCKS)()
        try:
            writer.write(b"\x05\x01\x00")
            await reader.readexactly(2)
            host = name.encode()
            length, where = bytes([len(host)]), port.to_bytes(2, "big")
            writer.write(b"\x05\x01\x00\x03" + length + host + where)
            await reader.readexactly(10)
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer

    return connect


async def test_silent_names_hold_up_no_other(box: Machine, tmp_path: Path) -> None:
    server, client = proxy(box, tmp_path)
    async with names_of(box) as names, target_on(box) as target, server, client:
        silent = [
            asyncio.create_task(traffic.echo(through(box, f"{number}.silent", target.port), 1))
            for number in range(20)
        ]
        async with asyncio.timeout(30):
            while sum(one.endswith(".silent.") for one in names.asked) < 20:
                await asyncio.sleep(0.01)
        await traffic.echo(through(box, "here.example", target.port), 1000)
        await traffic.echo(through(box, "localhost", target.port), 1000)
        assert not any(one.done() and not one.exception() for one in silent)  # no answer, ever
        for one in silent:
            one.cancel()
        await asyncio.gather(*silent, return_exceptions=True)


async def test_the_machines_files_are_followed(box: Machine, tmp_path: Path) -> None:
    box.file("resolv.conf", "nameserver 127.0.0.1\nsearch example\n")
    box.file("hosts", f"{DEBIAN}127.0.0.1 in-hosts\n")
    server, client = proxy(box, tmp_path)
    async with (
        names_of(box),
        names_of(box, "127.0.0.2") as second,
        target_on(box) as target,
        server,
        client,
    ):
        for name in ("in-hosts", "here", "here.example"):
            await traffic.echo(through(box, name, target.port), 1000)
        with pytest.raises(NO_ANSWER):
            await traffic.echo(through(box, "later", target.port), 1000)
        box.file("hosts", f"{DEBIAN}127.0.0.1 later\n")
        second.records["new.example.", "A"] = ["127.0.0.1"]
        box.file("resolv.conf", "nameserver 127.0.0.2\nsearch example\n")
        for name in ("later", "new"):
            await once_it_works(through(box, name, target.port))


async def once_it_works(connect: Connect) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await traffic.echo(connect, 1000)
            except NO_ANSWER:
                await asyncio.sleep(0.2)
            else:
                return


@pytest.mark.parametrize("remote", ["127.0.0.1", "[::1]", "localhost"])
async def test_a_listening_name_is_all_its_addresses(
    box: Machine, tmp_path: Path, remote: str
) -> None:
    async with (
        target_on(box) as target,
        kcptun_server(box, "ours", tmp_path, target=target.port, host="localhost", options={}),
        kcptun_client(box, "ours", tmp_path, remote=remote, options={}),
    ):
        await traffic.echo(direct(box), 100_000)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_a_server_is_reached_at_whichever_address_of_its_name(
    box: Machine, tmp_path: Path, host: str
) -> None:
    async with (
        target_on(box) as target,
        kcptun_server(box, "ours", tmp_path, target=target.port, host=host, options={}),
        kcptun_client(box, "ours", tmp_path, remote="localhost", options={}),
    ):
        await once_it_works(direct(box))


async def test_a_family_that_is_missing_is_no_reason_not_to_start(
    box: Machine, tmp_path: Path
) -> None:
    box.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
    options: Options = {"l": f"localhost:{CLIENT_PORT}"}
    async with (
        target_on(box) as target,
        kcptun_server(box, "ours", tmp_path, target=target.port, host="localhost", options={}),
        kcptun_client(box, "ours", tmp_path, remote="localhost", options=options) as client,
    ):
        await traffic.echo(direct(box), 100_000)
        missing = f"localhost:{CLIENT_PORT}: not listening on ::1 as well"
        await client.wait_for_log(missing)
    assert SERVER_PORT not in box.udp_ports


async def test_applications_that_left_are_in_the_way_of_nobody(
    box: Machine, tmp_path: Path
) -> None:
    argv: list[str | Path] = [
        *("prlimit", "--nofile=100:100", *kcptun_command("ours", "client")),
        *flags({"l": f"127.0.0.1:{CLIENT_PORT}", "r": f"later.example:{SERVER_PORT}"}),
    ]
    client = Resident(box, "client", argv, tmp_path, listens=("tcp", CLIENT_PORT))
    async with (
        names_of(box) as names,
        target_on(box) as target,
        kcptun_server(box, "ours", tmp_path, target=target.port, options={}),
        client,
    ):
        for _ in range(10):
            arriving = (direct(box)() for _ in range(30))
            for app in await asyncio.gather(*arriving, return_exceptions=True):
                if not isinstance(app, BaseException):  # what is too much was reset at once
                    app[1].write(b"x")
                    app[1].close()
        names.records["later.example.", "A"] = ["127.0.0.1"]
        await once_it_works(direct(box))
    assert client.log.count("re-connecting") == 1
