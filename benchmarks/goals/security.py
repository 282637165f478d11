"""Strangers: forged and replayed datagrams, probes, addresses of the server's own, secrets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interop.harness import peers, traffic
from tests.interop.harness.attack import attack
from tests.interop.harness.boxes import (
    Link,
    Options,
    Presets,
    bs_client,
    bs_server,
    kcptun_client,
    kcptun_server,
)
from tests.interop.harness.processes import output_of
from tests.interop.harness.target import Target
from tests.interop.harness.traffic import direct, socks5
from tests.interop.harness.watch import processor_seconds, resident

from benchmarks.goals.middle import middle, send_from
from benchmarks.goals.model import AEAD, PICTURE, Result, goal, longest_gap, steady

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from tests.interop.harness.processes import Program

    from benchmarks.goals.middle import Way

STACKS: dict[str, Presets] = {
    "ss-aead-cipher": AEAD,
    "ss-stream-cipher": [
        {"name": "ss-base"},
        {"name": "ss-stream-cipher", "params": {"method": "aes-128-ctr"}},
    ],
    "ssr-auth-aes128-md5": [
        {"name": "ss-base"},
        {"name": "ssr-auth-aes128-md5"},
        {"name": "ss-stream-cipher", "params": {"method": "aes-256-ctr"}},
    ],
    "ssr-auth-chain-a": [
        {"name": "ss-base"},
        {"name": "ssr-auth-chain-a"},
        {"name": "ss-stream-cipher", "params": {"method": "none"}},
    ],
    "base-auth": [
        {"name": "base-auth"},
        {"name": "obfs-random-padding"},
        {"name": "ss-stream-cipher", "params": {"method": "aes-128-ctr"}},
    ],
    "aead-random-cipher": [
        {"name": "base-auth"},
        {"name": "aead-random-cipher", "params": {"method": "aes-256-gcm"}},
    ],
    "v2ray-vmess": [
        {
            "name": "v2ray-vmess",
            "params": {"id": "c2485913-4e9e-41eb-8cc5-b2e77db8db5c", "security": "aes-128-gcm"},
        }
    ],
}
"""Presets that a recorded connection is replayed to."""


@goal(1, "state for a spoofed opening: at most 1 KB each and 8 MB in all, of 20,000")
async def spoofed(folder: Path) -> Result:
    """From 10,000 sources, under none."""
    options: dict[str, str | float] = {
        "mode": "spoof",
        "count": 20_000,
        "sources": 10_000,
        "rate": 20_000,
        "listen": 2,
    }
    async with Target() as target:
        found = await attack("ours", "none", options, target, folder)
    each = found.usage.growth / found.flooded.sent
    return Result(
        f"{each:.0f} bytes each, {found.usage.growth / 1e6:.1f} MB, {found.dials} dials",
        each <= 1_000 and found.usage.growth <= 8e6,
    )


@goal(2, "a replayed opening, cipher on: no state and no byte back, after a restart as well")
async def replayed_opening(folder: Path) -> Result:
    """The first datagram of a recorded session, 2,000 times, while running and after kill -9."""
    found, held = [], True
    options: Options = PICTURE | {"crypt": "aes-128-gcm"}
    async with Target() as target:
        far = kcptun_server("ours", folder, target=target.port, options=options)
        async with far:
            with middle(far.port) as path:
                near = kcptun_client("ours", folder, server=path.port, options=options)
                async with near:
                    await traffic.echo(direct(near.port), 100_000)
                opening = path.recorded[0]
            for when in ("running", "restarted"):
                if when == "restarted":
                    far.kill()
                    await far.start()
                    await asyncio.sleep(0.5)
                before = resident(far.pid)
                back = await _replayed(opening, far.port)
                grown = resident(far.pid) - before
                held &= back == 0 and grown < 1e6
                found.append(f"{when}: {back} bytes back, {grown / 1e3:.0f} KB")
    return Result("; ".join(found), held)


async def _replayed(opening: bytes, port: int) -> int:
    back = 0
    with contextlib.ExitStack() as stack:
        sockets = []
        for number in range(200):
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sock.bind((f"127.0.1.{number + 1}", 0))
            sock.setblocking(False)
            sockets.append(sock)
        for _ in range(10):
            for sock in sockets:
                sock.sendto(opening, ("127.0.0.1", port))
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        for sock in sockets:
            with contextlib.suppress(BlockingIOError):
                while True:
                    back += len(sock.recv(65_535))
    return back


@goal(3, "bytes back for each byte sent, 75 s after openings from forged sources: 1 (worst 3)")
async def reflection(folder: Path) -> Result:
    """5,000 openings that ask for 100,000 bytes each, under aes."""
    options: dict[str, str | float] = {
        "mode": "spoof", "count": 5_000, "sources": 5_000, "rate": 5_000, "listen": 75,
        "request": "DOWN 100000 0\\n",
    }  # fmt: skip
    async with Target() as target:
        found = (await attack("ours", "aes", options, target, folder)).flooded
    return Result(
        f"{found.ratio:.2f}, worst source {found.worst_ratio:.2f}",
        found.ratio <= 1.1 and found.worst_ratio <= 3,
    )


@goal(4, "a recorded session that is sent again is served 0 times, running and after a restart")
async def replayed_sessions(folder: Path) -> Result:
    """kcptun under aes-128-gcm and aes; every kind of preset over TCP."""
    served: list[str] = []
    tried = 0
    async with Target() as target:
        for crypt in ("aes-128-gcm", "aes"):
            counts = await _replay_kcptun(crypt, target, folder)
            tried += len(counts)
            served += [f"{crypt} {when}" for when, count in counts.items() if count]
        for name, presets in STACKS.items():
            counts = await _replay_presets(presets, target, folder)
            tried += len(counts)
            served += [f"{name} {when}" for when, count in counts.items() if count]
    detail = f" ({', '.join(served)})" if served else ""
    return Result(f"{len(served)} of {tried} served{detail}", not served)


async def _replay_kcptun(crypt: str, target: Target, folder: Path) -> dict[str, int]:
    options = PICTURE | {"crypt": crypt}
    counts = {}
    far = kcptun_server("ours", folder, target=target.port, options=options)
    async with far:
        with middle(far.port) as path:
            near = kcptun_client("ours", folder, server=path.port, options=options)
            async with near:
                await traffic.echo(direct(near.port), 2_000)
        for when in ("running", "restarted"):
            if when == "restarted":
                far.kill()
                await far.start()
            before = target.accepted
            send_from("127.0.3.1", path.recorded, far.port)
            await asyncio.sleep(2)
            counts[when] = target.accepted - before
    return counts


async def _replay_presets(presets: Presets, target: Target, folder: Path) -> dict[str, int]:
    link = Link(presets)
    counts = {}
    far = bs_server("ours", folder, link)
    async with far:
        async with _recording(link.port) as (port, recorded):
            near = bs_client("ours", folder, Link(presets, port=port))
            async with near:
                await traffic.echo(socks5(near.port, target.port), 2_000)
        for when in ("running", "restarted"):
            if when == "restarted":
                far.kill()
                await far.start()
            before = target.accepted
            _, writer = await asyncio.open_connection("127.0.0.1", link.port)
            writer.write(b"".join(recorded))
            await asyncio.sleep(1)
            writer.transport.abort()
            counts[when] = target.accepted - before
    return counts


@contextlib.asynccontextmanager
async def _recording(server: int) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A TCP path to a port that keeps what the first client says."""
    recorded: list[bytes] = []
    tasks: set[asyncio.Task[None]] = set()

    async def copy(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: list[bytes] | None
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if kept is not None:
                    kept.append(data)
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", server)
        pairs = ((reader, forth, recorded), (back, writer, None))
        tasks.update(asyncio.ensure_future(copy(*pair)) for pair in pairs)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1], recorded
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@goal(5, "one forged control datagram, no cipher, sent on the path: at most 1 s without answers")
async def injected(folder: Path) -> Result:
    """Each kind in both directions, with the session's true number."""
    gaps = {}
    async with Target() as target:
        options = PICTURE | {"crypt": "none", "datashard": 0, "parityshard": 0}
        for kind in ("ack", "una", "window", "probe", "push", "short"):
            far = kcptun_server("ours", folder, target=target.port, options=options)
            async with far:
                with middle(far.port) as path:
                    near = kcptun_client("ours", folder, server=path.port, options=options)
                    async with near, steady(direct(near.port)) as moments:
                        path.rule = _Injector(kind)
                        await asyncio.sleep(4)
                        clock = asyncio.get_running_loop().time
                        gaps[kind] = longest_gap(moments, clock())
    worst = max(gaps, key=lambda kind: gaps[kind])
    return Result(f"worst {gaps[worst]:.2f} s ({worst})", gaps[worst] <= 1)


class _Injector:
    """A forged datagram in front of the next one in each direction."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._sent: set[Way] = set()

    def __call__(self, way: Way, data: bytes) -> Iterable[bytes]:
        if way in self._sent or len(data) < 24:
            return (data,)
        self._sent.add(way)
        return (_forged(self._kind, data), data)


def _forged(kind: str, genuine: bytes) -> bytes:
    """A datagram of one segment: conv, cmd, frg, wnd, ts, sn, una, len (docs/protocol/kcp.md)."""
    conv, cmd, frg, wnd, ts, sn, una, _ = struct.unpack_from("<IBBHIIII", genuine)
    values = {
        "ack": (conv, 82, 0, wnd, ts, sn + 5, una, 0),
        "una": (conv, 82, 0, wnd, ts, sn, una + 10_000, 0),
        "window": (conv, 84, 0, 0, ts, sn, una, 0),
        "probe": (conv, 83, 0, wnd, ts, sn, una, 0),
        "push": (conv, 81, frg, wnd, ts, sn + 50_000, una, 4),
        "short": (conv, cmd, frg, wnd, ts, sn, una, 60_000),
    }[kind]
    return struct.pack("<IBBHIIII", *(value & 0xFFFF_FFFF for value in values)) + b"junk"


@goal(6, "one replayed datagram, cipher on: the session goes on, without a pause of 1 s")
async def replayed_datagram(folder: Path) -> Result:
    """The opening, and later ones, sent again from the session's own address."""
    options = PICTURE | {"crypt": "aes"}
    async with Target() as target:
        far = kcptun_server("ours", folder, target=target.port, options=options)
        async with far:
            with middle(far.port) as path:
                near = kcptun_client("ours", folder, server=path.port, options=options)
                async with near, steady(direct(near.port)) as moments:
                    await asyncio.sleep(1)
                    old = list(path.recorded)
                    path.rule = lambda way, data: (
                        (data, random.choice(old)) if way == "up" else (data,)
                    )
                    await asyncio.sleep(3)
                    gap = longest_gap(moments, asyncio.get_running_loop().time())
    return Result(f"longest pause {gap:.2f} s", gap <= 1)


@goal(9, "junk: at most 20 us of the processor each, and 2 MB in all, of 20,000")
async def junk(folder: Path) -> Result:
    """To a kcptun server under aes, and to the UDP port of a blinksocks server."""
    found, held = [], True
    async with Target() as target:
        far = kcptun_server("ours", folder, target=target.port, options=PICTURE)
        link = Link(AEAD)
        server = bs_server("ours", folder, link)
        async with far, server:
            for name, program, port in (
                ("kcptun", far, far.port),
                ("blinksocks", server, link.port),
            ):
                cost, grown = await _junk(program, port)
                held &= cost <= 20e-6 and grown <= 2e6
                found.append(f"{name} {cost * 1e6:.1f} us, {grown / 1e6:.1f} MB")
    return Result("; ".join(found), held)


async def _junk(program: Program, port: int, count: int = 20_000) -> tuple[float, int]:
    draw = random.Random(1)
    noise = [draw.randbytes(draw.randrange(1, 1_400)) for _ in range(500)]
    send_from("127.0.4.1", noise, port)  # what grows at the first use has grown then
    await asyncio.sleep(0.5)
    before, busy = resident(program.pid), processor_seconds(program.pid)
    for batch in range(count // 100):
        send_from(f"127.0.5.{batch % 250 + 1}", draw.sample(noise, 100), port)
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.5)
    return (processor_seconds(program.pid) - busy) / count, resident(program.pid) - before


LOOPBACK = (
    "127.0.0.1", "localhost", "0.0.0.0", "0", "127.1", "2130706433", "0x7f000001", "::1", "::",
    "::ffff:127.0.0.1", "::ffff:0.0.0.0", "127.0.0.2",
)  # fmt: skip
"""Twelve ways to write an address of the server itself."""


@goal(10, "the server's own addresses, with the files that `init` writes: 0 of 12 notations")
async def own_addresses(folder: Path) -> Result:
    """A service on every address of the machine, asked for through the proxy."""
    await output_of("sh", "-c", f"cd {folder} && {peers.ours('blinksocks')} init", within=30)
    files = {path.name: json.loads(path.read_text()) for path in folder.glob("blinksocks.*.json")}
    server = files["blinksocks.server.json"]
    own = {k: v for k, v in server.items() if k not in {"service", "key", "presets"}}
    link = Link(server["presets"], key=server["key"], server=own)
    reached = []
    async with Target(host="") as target:
        far, near = bs_server("ours", folder, link), bs_client("ours", folder, link)
        async with far, near:
            for host in LOOPBACK:
                before = target.accepted
                with contextlib.suppress(OSError, AssertionError, TimeoutError, EOFError):
                    connect = socks5(near.port, target.port, host)
                    await traffic.download(connect, 1, within=3)
                if target.accepted > before:
                    reached.append(host)
    detail = f" ({', '.join(reached)})" if reached else ""
    return Result(f"{len(reached)} of {len(LOOPBACK)}{detail}", not reached)


@goal(11, "applications that send half a request: closed in 10 s, at most 5 KB each")
async def slow_requests(folder: Path) -> Result:
    """1,000 of them at a SOCKS and an HTTP port."""
    found, held = [], True
    link = Link(AEAD)
    for scheme, half in (("socks5", b"\x05\x02\x00"), ("http", b"GET http://a/ HTTP/1.1\r\nHost")):
        near = bs_client("ours", folder, link, scheme=scheme)
        async with near:
            before = resident(near.pid)
            began = time.monotonic()
            pairs = [await asyncio.open_connection("127.0.0.1", near.port) for _ in range(1_000)]
            for _, writer in pairs:
                writer.write(half)
            await asyncio.sleep(2)
            each = (resident(near.pid) - before) / len(pairs)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(45):
                    await asyncio.gather(*(_ended(reader) for reader, _ in pairs))
            closed = time.monotonic() - began
            for _, writer in pairs:
                writer.transport.abort()
        held &= closed <= 12 and each <= 5_000  # 2 s of it until all were there
        found.append(f"{scheme} {closed:.1f} s, {each / 1e3:.1f} KB")
    return Result("; ".join(found), held)


async def _ended(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(4_096):
            pass


@goal(12, "secrets in logs and the process list: 0; log lines that a peer can forge: 0")
async def secrets(folder: Path) -> Result:
    """A key on the command line, a password of the proxy, hosts with line feeds and escapes."""
    key, password = "the-secret-key-1", "the-secret-password-2"
    link = Link(AEAD, key=key)
    hits, forged = 0, 0
    async with Target() as target:
        far = kcptun_server("ours", folder, target=target.port, options=PICTURE | {"key": key})
        server = bs_server("ours", folder, link)
        near = bs_client("ours", folder, link, login=f"user:{password}")
        async with far, server, near:
            for host in (b"::1%\n2026-01-01T00:00:00.000Z - error: forged", b"a\x1b[2Jforged"):
                reader, writer = await asyncio.open_connection("127.0.0.1", near.port)
                name = password.encode()
                login = b"\x01\x04user" + bytes((len(name),)) + name
                request = b"\x05\x01\x00\x03" + bytes((len(host),)) + host + b"\x00\x50"
                writer.write(b"\x05\x01\x02" + login + request)
                with contextlib.suppress(TimeoutError, OSError):
                    await asyncio.wait_for(reader.read(), 2)
                writer.transport.abort()
            for program in (far, server, near):
                seen = [program.log, *(_process_list(program.pid))]
                hits += sum(text.count(word) for text in seen for word in (key, password))
                forged += sum(
                    line.startswith("2026-01-01T00:00:00.000Z") or "\x1b" in line
                    for line in program.log.splitlines()
                )
    return Result(f"{hits} secrets, {forged} forged lines", hits == forged == 0)


def _process_list(pid: int) -> Sequence[str]:
    return [Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")]


ROWS = (
    spoofed, replayed_opening, reflection, replayed_sessions, injected, replayed_datagram, junk,
    own_addresses, slow_requests, secrets,
)  # fmt: skip
