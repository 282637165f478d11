"""One sample: a lab, a contender on its hosts, the traffic, and what the link has counted."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.links import traffic
from benchmarks.links.contenders import CONTENDERS, SOURCE, Resident
from benchmarks.links.progress import Progress, phases, round_trip
from benchmarks.model import MeasureError
from blinktun.lab import Lab, Link

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from benchmarks.model import Readings, Side

_LINE = 1 << 24
"""Bytes of a line that the client may write."""
_BESIDE = SOURCE + 1
"""The port of the source of another flow on the same link."""


async def over_link(words: str, seconds: float, side: Side, folder: Path) -> Readings:
    """Requests alone for so many seconds, then a download with requests beside it.

    Raises:
        MeasureError: nothing arrives.
    """
    link = Link(*words.split())
    course = list(phases(link, seconds))
    async with AsyncExitStack() as stack:
        lab = stack.enter_context(Lab(link))
        near = await stack.enter_async_context(_running(lab, side, folder))
        congestion = CONTENDERS[side].congestion
        options = ["--idle", f"{seconds:g}", "--seconds", f"{course[-1].end:g}"]
        client = await stack.enter_async_context(_client(lab, near, congestion, options))
        idle = (await _line(client))["idle"]
        lab.change(link)  # the time of its changes begins now
        before = lab.counts.down.sent_bytes
        _go(client)
        seen = await _line(client)
        sent = lab.counts.down.sent_bytes - before
    progress = Progress(seen["marks"])
    received = progress.marks[-1][1]
    if not received:
        raise MeasureError("nothing arrives")
    delivered = received + traffic.REQUEST * len(seen["requests"])
    return {
        "goodput": progress.goodput(course),
        "share": progress.share(course) * 100,
        "wire / payload": sent / delivered,
        "request p50": _percentile(seen["requests"], 0.5),
        "request p99": _percentile(seen["requests"], 0.99),
        "idle p50": _percentile(idle, 0.5),
        "idle p99": _percentile(idle, 0.99),
        "start": progress.start(course, round_trip(link)),
    }


async def beside_kernel(
    words: str, congestion: str, seconds: float, side: Side, folder: Path
) -> Readings:
    """A download beside one of the kernel's TCP on the same link, both at once.

    Raises:
        MeasureError: nothing arrives.
    """
    link = Link(*words.split())
    course = list(phases(link, seconds))
    async with AsyncExitStack() as stack:
        lab = stack.enter_context(Lab(link))
        near = await stack.enter_async_context(_running(lab, side, folder))
        await stack.enter_async_context(_source(lab, folder, _BESIDE, congestion))
        other = f"{lab.server.ipv4}:{_BESIDE}"
        options = ["--seconds", f"{seconds:g}", "--download-only"]
        clients = [
            await stack.enter_async_context(_client(lab, address, control, options))
            for address, control in ((near, CONTENDERS[side].congestion), (other, congestion))
        ]
        for client in clients:
            await _line(client)
        for client in clients:
            _go(client)
        ours, theirs = [Progress((await _line(client))["marks"]) for client in clients]
    if not ours.marks[-1][1]:
        raise MeasureError("nothing arrives")
    return {"goodput": ours.goodput(course), "kernel's": theirs.goodput(course)}


@asynccontextmanager
async def _running(lab: Lab, side: Side, folder: Path) -> AsyncIterator[str]:
    """The source and a contender; yields where the client connects."""
    contender = CONTENDERS[side]
    async with (
        _source(lab, folder, SOURCE, contender.congestion),
        contender.tunnel(lab, folder) as near,
    ):
        yield near


def _source(lab: Lab, folder: Path, port: int, congestion: str | None) -> Resident:
    argv = [sys.executable, traffic.__file__, f"0.0.0.0:{port}", "--serve"]
    if congestion:
        argv += ["--congestion", congestion]
    return Resident(lab.server, argv, folder, ("tcp", port))


@asynccontextmanager
async def _client(
    lab: Lab, address: str, congestion: str | None, options: Sequence[str]
) -> AsyncIterator[Process]:
    argv = [sys.executable, traffic.__file__, address, *options]
    if congestion:
        argv += ["--congestion", congestion]
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *lab.client.command(*argv),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _go(client: Process) -> None:
    assert client.stdin
    client.stdin.write(b"\n")


async def _line(client: Process) -> dict[str, Any]:
    assert client.stdout
    line = await client.stdout.readline()
    if not line:
        raise MeasureError(f"the client ended with {await client.wait()}")
    values: dict[str, Any] = json.loads(line)
    return values


def _percentile(times: Sequence[float], share: float) -> float:
    """Milliseconds in which this share was answered."""
    if not times:
        return 0.0
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1e3
