"""``blinktun demo``: the whole picture in one process, with a line per hop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from blinktun import app
from blinktun.address import Address
from blinktun.cli.demo_target import WebTarget, block_at
from blinktun.config.explain import COMMAND_LINE, Origin
from blinktun.config.model import (
    BlinksocksClient,
    BlinksocksServer,
    Inbound,
    KcpLink,
    KcpSettings,
    KcptunClient,
    KcptunServer,
    PortRange,
    PresetSpec,
    ServerLink,
)
from blinktun.errors import TransportError
from blinktun.kcp import Driver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HOST = "127.0.0.1"
_SECRET = "only for the demo"  # noqa: S105 - it never leaves this machine
_DOWNLOAD = 100_000_000


def main(arguments: Sequence[str]) -> int:
    """Run the demo; returns the exit status.

    Raises:
        ConfigError: an unknown argument.
    """
    for argument in arguments:
        if argument != "--once":
            fix = "write blinktun demo or blinktun demo --once"
            raise Origin(COMMAND_LINE, argument).error("is no argument of demo", fix=fix)
    logging.getLogger("blinktun").setLevel(logging.WARNING)
    return app.run_in_loop(_demo(once="--once" in arguments))


@dataclass(frozen=True, slots=True)
class _Ports:
    """Where everything listens: the picture's own ports where they are free."""

    socks: int
    tunnel: int
    udp: int
    server: int
    web: int

    @classmethod
    def choose(cls) -> _Ports:
        tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM
        wanted = ((1080, tcp), (12948, tcp), (29900, udp), (30370, tcp), (8080, tcp))
        return cls(*(_free_port(port, kind) for port, kind in wanted))


@dataclass(frozen=True, slots=True)
class _Hop:
    """One line of the picture.

    Attributes:
        name: From whom to whom.
        where: The address, for people.
        carried: Bytes so far, both directions together.
    """

    name: str
    where: str
    carried: Callable[[], int]


async def _demo(*, once: bool) -> int:
    ports = _Ports.choose()
    stop = app.watch_signals()
    web = WebTarget()
    roles = [app.make_role(config) for config in _configs(ports)]
    try:
        await web.start(Address(_HOST, ports.web))
        for role in roles:
            await role.start()
        hops = _hops(ports, roles)
        _introduce(hops)
        await _first_download(ports, hops)
        if not once:
            _invite(ports)
            await _show_rates(hops, stop)
    except (TransportError, OSError) as error:
        print(f"blinktun demo: {error}", file=sys.stderr)
        return app.START_FAILED
    finally:
        await app.stop_all(roles, 0)
        await web.stop()
    return 0


def _configs(
    ports: _Ports,
) -> tuple[BlinksocksServer, KcptunServer, KcptunClient, BlinksocksClient]:
    """The picture's four files, with the ports at hand."""
    presets = (
        PresetSpec("ss-base"),
        PresetSpec("ss-stream-cipher", {"method": "aes-128-ctr"}),
    )
    kcp = KcpSettings(
        key=_SECRET, crypt="none", nodelay=1, interval=20, sndwnd=128, rcvwnd=512, nocomp=True
    )
    link = ServerLink("tcp", Address(_HOST, ports.server), _SECRET, presets)
    near = replace(link, address=Address(_HOST, ports.tunnel))
    return (
        BlinksocksServer(link),
        KcptunServer(PortRange(_HOST, ports.udp, ports.udp), Address(_HOST, ports.server), kcp),
        KcptunClient(
            Address(_HOST, ports.tunnel),
            PortRange(_HOST, ports.udp, ports.udp),
            KcpLink(kcp, conn=5),
        ),
        BlinksocksClient(Inbound.SOCKS, Address(_HOST, ports.socks), near),
    )


def _hops(ports: _Ports, roles: Sequence[app.Role]) -> list[_Hop]:
    server, kcptun_server, kcptun_client, client = roles
    core = Driver.current().core

    def carried(role: app.Role) -> Callable[[], int]:
        return lambda: sum(role.traffic)

    def on_the_wire() -> int:
        return core.stats()["out_bytes"]

    return [
        _Hop("applications  -> bs-client", f"socks5 {_HOST}:{ports.socks}", carried(client)),
        _Hop(
            "bs-client     -> kcptun-client", f"tcp {_HOST}:{ports.tunnel}", carried(kcptun_client)
        ),
        _Hop("kcptun-client => kcptun-server", f"udp {_HOST}:{ports.udp}", on_the_wire),
        _Hop("kcptun-server -> bs-server", f"tcp {_HOST}:{ports.server}", carried(kcptun_server)),
        _Hop("bs-server     -> web target", f"http {_HOST}:{ports.web}", carried(server)),
    ]


def _introduce(hops: Sequence[_Hop]) -> None:
    print("The picture, in one process on this machine:\n")
    for hop in hops:
        print(f"  {hop.name:<32}{hop.where}")


async def _first_download(ports: _Ports, hops: Sequence[_Hop]) -> None:
    megabytes = _DOWNLOAD // 10**6
    print(f"\nA download of {megabytes} MB through all of it:\n")
    before = [hop.carried() for hop in hops]
    began = time.monotonic()
    await _download(ports)
    took = time.monotonic() - began
    for line in _rate_lines(hops, before, took):
        print(line)
    print(f"\n  every byte is right, after {took:.2f} s", flush=True)


async def _download(ports: _Ports) -> None:
    """Fetch a file through the picture and check every byte.

    Raises:
        TransportError: the picture broke, or delivered something else.
    """
    reader, writer = await asyncio.open_connection(_HOST, ports.socks, limit=1 << 20)
    try:
        writer.write(b"\x05\x01\x00")
        _expect(await reader.readexactly(2) == b"\x05\x00", "the proxy refused the greeting")
        target = socket.inet_aton(_HOST) + ports.web.to_bytes(2, "big")
        writer.write(b"\x05\x01\x00\x01" + target)
        reply = await reader.readexactly(10)
        _expect(reply[1] == 0, "the proxy refused the target")
        writer.write(b"GET /%dM HTTP/1.1\r\n\r\n" % (_DOWNLOAD // 10**6))
        await reader.readuntil(b"\r\n\r\n")
        received = 0
        while data := await reader.read(32768):
            _expect(data == block_at(received, len(data)), f"byte {received} or later is wrong")
            received += len(data)
        _expect(received == _DOWNLOAD, f"only {received} bytes arrived")
    except (OSError, asyncio.IncompleteReadError) as error:
        raise TransportError(f"the download broke off: {error}") from error
    finally:
        writer.close()


def _expect(fact: bool, otherwise: str) -> None:
    if not fact:
        raise TransportError(otherwise)


def _invite(ports: _Ports) -> None:
    print("\nTry it, in another terminal:\n")
    print(f"  curl -x socks5h://{_HOST}:{ports.socks} http://{_HOST}:{ports.web}/")
    print(f"  curl -x socks5h://{_HOST}:{ports.socks} -o /dev/null http://{_HOST}:{ports.web}/1G")
    print("\nThe hops, every second with traffic (Ctrl-C ends the demo):\n", flush=True)


async def _show_rates(hops: Sequence[_Hop], stop: asyncio.Event) -> None:
    """A line per hop: redrawn on a terminal, else printed for each second with traffic."""
    redraw = sys.stdout.isatty()
    if redraw:
        print("\n" * len(hops), end="")
    while not stop.is_set():
        before, began = [hop.carried() for hop in hops], time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await stop.wait()
        moved = hops[0].carried() != before[0]  # keepalives between the roles are no news
        if redraw:
            print(f"\x1b[{len(hops)}A", end="")
        if redraw or moved:
            for line in _rate_lines(hops, before, time.monotonic() - began):
                print(f"{line}\x1b[K" if redraw else line)
            print("" if not redraw else "\x1b[0m", end="\n" if not redraw else "", flush=True)


def _rate_lines(hops: Sequence[_Hop], before: Sequence[int], seconds: float) -> list[str]:
    lines = []
    for hop, earlier in zip(hops, before, strict=True):
        rate = (hop.carried() - earlier) / seconds / 1e6
        lines.append(f"  {hop.name:<32}{hop.where:<26}{rate:9.1f} MB/s")
    return lines


def _free_port(wanted: int, kind: socket.SocketKind) -> int:
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((_HOST, port))
                return int(probe.getsockname()[1])
    raise TransportError("this machine has no free port")
