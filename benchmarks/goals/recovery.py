"""Truth and recovery: ends, restarts, moves, darkness, wrong keys, full disks."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interop.harness import peers, traffic
from tests.interop.harness.boxes import (
    Kcptun,
    Link,
    bs_client,
    bs_pair,
    bs_server,
    kcptun_client,
    kcptun_pair,
    kcptun_server,
)
from tests.interop.harness.ports import free_port
from tests.interop.harness.processes import Program
from tests.interop.harness.target import Target
from tests.interop.harness.traffic import direct, socks5

from benchmarks.goals.middle import Middle, middle
from benchmarks.goals.model import (
    AEAD,
    PICTURE,
    Result,
    answered_within,
    goal,
    longest_gap,
    steady,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.goals.middle import Way

TRANSPORTS = ("tcp", "tls", "ws", "wss", "h2", "kcp")
ENDLESS = 1 << 40


@goal(15, "half-close works on every stack, and 500 such connections leave no descriptor")
async def half_close(folder: Path) -> Result:
    """Either direction ended first, over kcptun and each transport."""
    failed: list[str] = []
    async with Target() as target:
        async with kcptun_pair("ours", "ours", target.port, folder, PICTURE) as near:
            failed += await _half_closes("kcptun", direct(near.port))
            before = _descriptors(near)
            for _ in range(10):
                await asyncio.gather(
                    *(traffic.upload_to_eof(direct(near.port), 100) for _ in range(50))
                )
            await _settled(lambda: _descriptors(near) <= before)
            left = _descriptors(near) - before
        for transport in TRANSPORTS:
            link = Link(AEAD, transport=transport)
            async with bs_pair("ours", "ours", folder, link) as near:
                failed += await _half_closes(transport, socks5(near.port, target.port))
    worked = 2 * (1 + len(TRANSPORTS)) - len(failed)
    tried = 2 * (1 + len(TRANSPORTS))
    return Result(
        f"{worked} of {tried}{_listed(failed)}; {left} descriptors left", not failed and left <= 0
    )


async def _half_closes(stack: str, connect: traffic.Connect) -> list[str]:
    failed = []
    for exchange in (traffic.upload_to_eof, traffic.upload_after_eof):
        try:
            await exchange(connect, 300_000, within=20)
        except (OSError, AssertionError, TimeoutError, EOFError) as error:
            failed.append(f"{stack} {exchange.__name__}: {error!r}")
    return failed


@goal(16, "no silent truncation: a broken transfer is a reset at the application, on every stack")
async def truncation(folder: Path) -> Result:
    """The server is killed in the middle of a download."""
    ends: dict[str, str] = {}
    async with Target() as target:
        far = kcptun_server("ours", folder, target=target.port, options=PICTURE)
        near = kcptun_client("ours", folder, server=far.port, options=PICTURE)
        async with far, near:
            ends["kcptun"] = await _end_of(direct(near.port), far)
        for transport in TRANSPORTS:
            link = Link(AEAD, transport=transport)
            server, client = bs_server("ours", folder, link), bs_client("ours", folder, link)
            async with server, client:
                ends[transport] = await _end_of(socks5(client.port, target.port), server)
    wrong = [f"{stack}: {end}" for stack, end in ends.items() if end != "ConnectionResetError"]
    return Result(f"{len(ends) - len(wrong)} of {len(ends)} are resets{_listed(wrong)}", not wrong)


async def _end_of(connect: traffic.Connect, server: Program) -> str:
    transfer = asyncio.create_task(traffic.ending(connect, f"DRIP {ENDLESS} 0"))
    await asyncio.sleep(0.7)
    server.kill()
    await server.start()  # a kcptun client hears of the loss from the new server
    try:
        return await asyncio.wait_for(transfer, 90)
    except TimeoutError:
        return "none within 90 s"


@goal(17, "a killed and restarted server: new connections in 1 s (ours), 3 s (Go's server)")
async def restart(folder: Path) -> Result:
    """During transfers, three times each."""
    kinds: tuple[Kcptun, ...] = ("ours", "theirs")
    worst = {}
    async with Target() as target:
        for kind in kinds:
            far = kcptun_server(kind, folder, target=target.port, options=PICTURE)
            near = kcptun_client("ours", folder, server=far.port, options=PICTURE)
            async with far, near:
                times = []
                for _ in range(3):
                    transfer = asyncio.create_task(
                        traffic.ending(direct(near.port), f"DRIP {ENDLESS} 0")
                    )
                    await asyncio.sleep(0.7)
                    far.kill()
                    await far.start()
                    times.append(await answered_within(direct(near.port), 20))
                    transfer.cancel()
                    await asyncio.gather(transfer, return_exceptions=True)
                worst[kind] = max(times)
    held = worst["ours"] <= 1 and worst["theirs"] <= 3
    return Result(f"{worst['ours']:.2f} s; {worst['theirs']:.2f} s", held)


@goal(18, "a NAT gives the client another port: the stream goes on, after at most 1 s")
async def rebinding(folder: Path) -> Result:
    """An exchange, and a download during which the client has nothing to say."""
    async with Target() as target:
        far = kcptun_server("ours", folder, target=target.port, options=PICTURE)
        async with far:
            with middle(far.port) as path:
                near = kcptun_client("ours", folder, server=path.port, options=PICTURE)
                async with near:
                    both_ways = await _stall(direct(near.port), path.rebind)
                    download = await _download_stall(direct(near.port), path.rebind)
    return Result(
        f"{both_ways:.2f} s (exchange), {download:.2f} s (download)",
        max(both_ways, download) <= 1,
    )


async def _stall(connect: traffic.Connect, event: Callable[[], None]) -> float:
    async with steady(connect) as moments:
        await asyncio.sleep(0.5)
        event()
        await asyncio.sleep(15)
        return longest_gap(moments, asyncio.get_running_loop().time())


async def _download_stall(connect: traffic.Connect, event: Callable[[], None]) -> float:
    clock = asyncio.get_running_loop().time
    reader, writer = await connect()
    writer.write(f"DRIP {ENDLESS} 0\n".encode())
    moments: list[float] = []
    happened = False
    until = clock() + 15
    try:
        async with asyncio.timeout_at(until):
            while data := await reader.read(1 << 20):
                moments.append(clock())
                if not happened and clock() > until - 14:
                    event()
                    happened = True
                del data
    except (TimeoutError, OSError):
        pass
    finally:
        writer.transport.abort()
    return longest_gap(moments, clock())


@goal(19, "darkness of 20 s and 70 s: resumed in 0.5 s, the stream lives, 100 datagrams a minute")
async def darkness(folder: Path) -> Result:
    """An upload and a download at once; datagrams of both ends in the last 60 s of 70."""
    found, held = [], True
    async with Target() as target:
        far = kcptun_server("ours", folder, target=target.port, options=PICTURE)
        async with far:
            for seconds in (20, 70):
                with middle(far.port) as path:
                    near = kcptun_client("ours", folder, server=path.port, options=PICTURE)
                    async with near:
                        resumed, sent = await _darkness(direct(near.port), path, seconds)
                lives = resumed < 30
                held &= lives and resumed <= 0.5 and (seconds < 70 or sent <= 100)
                end = f"resumed after {resumed:.2f} s" if lives else "the stream was lost"
                found.append(f"{seconds} s: {end}, {sent} datagrams")
    return Result("; ".join(found), held)


async def _darkness(connect: traffic.Connect, path: Middle, seconds: float) -> tuple[float, int]:
    upload = asyncio.create_task(traffic.ending(connect, f"UP {ENDLESS}", sends=True))
    clock = asyncio.get_running_loop().time
    async with steady(connect) as moments:
        await asyncio.sleep(1)
        light = path.rule
        path.rule = lambda _way, _data: ()
        await asyncio.sleep(max(0.0, seconds - 60))
        before = sum(path.counts.values())
        await asyncio.sleep(min(seconds, 60))
        sent = sum(path.counts.values()) - before
        path.rule = light
        back = clock()
        while clock() - back < 30 and moments[-1] < back:
            await asyncio.sleep(0.01)
        resumed = clock() - back
    upload.cancel()
    await asyncio.gather(upload, return_exceptions=True)
    return resumed, sent


@goal(20, "datagrams above 1,200 bytes vanish in a transfer: at most 5 s until it goes on")
async def small_mtu(folder: Path) -> Result:
    """No message says so: a black hole."""
    async with Target() as target:
        far = kcptun_server("ours", folder, target=target.port, options=PICTURE)
        async with far:
            with middle(far.port) as path:
                near = kcptun_client("ours", folder, server=path.port, options=PICTURE)
                async with near:

                    def shrink() -> None:
                        path.rule = lambda _way, data: (data,) if len(data) <= 1_172 else ()

                    stall = await _download_stall(direct(near.port), shrink)
    return Result(f"{stall:.1f} s" + (" (measured for 15 s)" if stall > 12 else ""), stall <= 5)


@goal(21, "a wrong key is named by both ends in 3 s, and the application is told in 10 s")
async def wrong_key(folder: Path) -> Result:
    """The ends differ in their key."""
    async with Target() as target:
        far = kcptun_server("ours", folder, target=target.port, options=PICTURE | {"key": "one"})
        other = PICTURE | {"key": "another"}
        near = kcptun_client("ours", folder, server=far.port, options=other)
        async with far, near:
            server, client, told = await asyncio.gather(
                _logged(far), _logged(near), _seconds_until_told(direct(near.port))
            )
    return Result(
        f"server {server:.1f} s, client {client:.1f} s, application {told:.1f} s",
        max(server, client) <= 3 and told <= 10,
    )


async def _logged(program: Program, within: float = 20) -> float:
    """Seconds until a warning names the key."""
    clock = asyncio.get_running_loop().time
    began = clock()
    await _settled(
        lambda: any("key" in line for line in program.log.splitlines() if "warning" in line), within
    )
    return clock() - began


async def _seconds_until_told(connect: traffic.Connect) -> float:
    clock = asyncio.get_running_loop().time
    began = clock()
    with contextlib.suppress(TimeoutError, OSError):
        await asyncio.wait_for(traffic.ending(connect, "DOWN 10 0"), 45)
    return clock() - began


@goal(
    22, "few descriptors (100) and 300 connections at once: alive, and works 2 s after they leave"
)
async def descriptors(folder: Path) -> Result:
    """A burst at the first start of a kcptun client, all of it closed again."""
    async with Target() as target:
        far = kcptun_server("ours", folder, target=target.port, options=PICTURE)
        port = free_port()
        command = ["prlimit", "--nofile=100:100", str(peers.ours("kcptun-client"))]
        argv = [*command, "-l", f"127.0.0.1:{port}", "-r", f"127.0.0.1:{far.port}"]
        argv += ["-mode", "fast3", "-crypt", "aes", "-smuxver", "2"]
        near = Program("limited-client", argv, folder, listens=("tcp", port))
        async with far, near:
            burst = []
            for _ in range(300):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
                burst.append(one)
            await asyncio.sleep(2)
            for one in burst:
                one.close()
            works = await answered_within(direct(port), 30)
    return Result(f"works after {works:.1f} s", works <= 2)


@goal(23, "a full log disk: every connection is served, and nothing else is printed")
async def full_disk(folder: Path) -> Result:
    """The log goes to /dev/full."""
    served = 0
    async with Target() as target:
        options = PICTURE | {"log": "/dev/full"}
        far = kcptun_server("ours", folder, target=target.port, options=options)
        near = kcptun_client("ours", folder, server=far.port, options=options)
        async with far, near:
            for _ in range(50):
                await traffic.echo(direct(near.port), 100, within=5)
                served += 1
            printed = len(far.log.splitlines()) + len(near.log.splitlines())
    return Result(f"{served} of 50 served, {printed} lines", served == 50 and printed <= 2)


@goal(25, "SIGTERM: idle connections end at once, status 0; a transfer gets its time, 5 s in all")
async def stopping(folder: Path) -> Result:
    """A client with an idle connection; a server in the middle of a long transfer."""
    found = []
    async with Target() as target:
        far = kcptun_server("ours", folder, target=target.port, options=PICTURE)
        near = kcptun_client("ours", folder, server=far.port, options=PICTURE)
        async with far, near:
            _, writer = await direct(near.port)()
            await asyncio.sleep(1.5)
            found.append(await _stopped(near))
            writer.transport.abort()
            await near.start()
            busy = asyncio.create_task(traffic.ending(direct(near.port), f"DRIP {ENDLESS} 0"))
            await asyncio.sleep(1)
            found.append(await _stopped(far))
            busy.cancel()
            await asyncio.gather(busy, return_exceptions=True)
    (idle, first), (long, second) = found
    return Result(
        f"idle {idle:.1f} s, transfer {long:.1f} s, status {first} and {second}",
        idle <= 1.5 and long <= 6 and first == second == 0,
    )


async def _stopped(program: Program) -> tuple[float, int]:
    began = time.monotonic()
    program.signal(signal.SIGTERM)
    code = await program.exit_code(within=30)
    return time.monotonic() - began, code


@goal(27, "5 % corrupted, 10 % lost, repeated and out of order: no wrong byte in 16 MiB each way")
async def corruption(folder: Path) -> Result:
    """Under aes with compression, the usual settings."""
    draw = random.Random(1)
    held: list[bytes] = []

    def rule(_way: Way, data: bytes) -> Iterable[bytes]:
        chance = draw.random()
        if chance < 0.10:
            return ()
        if chance < 0.15:
            changed = bytearray(data)
            changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            return (bytes(changed),)
        if chance < 0.20:
            return (data, data)
        if chance < 0.25:
            held.append(data)
            return (held.pop(0),) if len(held) > 3 else ()
        return (data,)

    async with Target() as target:
        far = kcptun_server("ours", folder, target=target.port, options=PICTURE)
        async with far:
            with middle(far.port) as path:
                path.rule = rule
                near = kcptun_client("ours", folder, server=path.port, options=PICTURE)
                async with near:
                    await traffic.echo(direct(near.port), 16 << 20, within=300)
    return Result("every byte right", held=True)


def _descriptors(program: Program) -> int:
    return len(list(Path(f"/proc/{program.pid}/fd").iterdir()))


async def _settled(fact: Callable[[], bool], within: float = 5) -> None:
    clock = asyncio.get_running_loop().time
    until = clock() + within
    while not fact() and clock() < until:
        await asyncio.sleep(0.02)


def _listed(words: list[str]) -> str:
    return f" ({', '.join(words)})" if words else ""


ROWS = (
    half_close, truncation, restart, rebinding, darkness, small_mtu, wrong_key, descriptors,
    full_disk, stopping, corruption,
)  # fmt: skip
