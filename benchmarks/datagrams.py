"""`python -m benchmarks.datagrams`: UDP through the kcptun roles over lossy links, by iperf3.

Datagrams of 1,300 bytes at 20 Mbit/s, both ways at once, as a VPN has them. What is told does not
count the first seconds, in which a session finds its rate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.interop.harness import peers
from tests.interop.harness.boxes import flags, kcptun_command

from benchmarks.facts import described, surroundings
from benchmarks.links.contenders import FAR, NEAR, Resident
from benchmarks.model import MeasureError
from blinktun.lab import Lab, Link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.interop.harness.boxes import Options

    from benchmarks.model import Readings

RECORD = peers.ROOT / "docs" / "benchmarks" / "datagrams.md"
LINKS = ("clean", "clean loss=2%", "loss5", "loss10", "burst5", "jitter", "dsl rate=40mbit")
RATE, SIZE = "20M", 1300
OMITTED = 3
"""Seconds that are not counted."""
TARGET = 5201
WAYS = ("no tunnel", "plain", "protected")
FIGURES = {
    "lost up": "%",
    "lost down": "%",
    "jitter up": "ms",
    "jitter down": "ms",
    "wire / payload": "",
}


async def measure(words: str, way: str, seconds: int, folder: Path) -> Readings:
    """One run over a link.

    Raises:
        MeasureError: iperf3 got nothing through.
    """
    with Lab(Link(*words.split())) as lab:
        server = Resident(
            lab.server, ["iperf3", "-s", "-J", "-p", str(TARGET)], folder, ("tcp", TARGET)
        )
        async with server, _tunnel(lab, way, folder) as (host, port):
            before = lab.counts
            said = await _iperf3(lab, host, port, seconds)
            after = lab.counts
    up, down = _received(said["server_output_json"]), _received(said)
    payload = SIZE * (up.arrived + down.arrived)
    carried = sum(
        (later.sent_bytes - earlier.sent_bytes)
        for later, earlier in ((after.up, before.up), (after.down, before.down))
    )
    share = seconds / (seconds + OMITTED)
    return {
        "lost up": up.lost,
        "lost down": down.lost,
        "jitter up": up.jitter,
        "jitter down": down.jitter,
        "wire / payload": carried * share / payload,
    }


class _Received(NamedTuple):
    """What one end has got: datagrams, the share that is lost in %, the jitter in ms."""

    arrived: int
    lost: float
    jitter: float


def _received(said: dict[str, Any]) -> _Received:
    """The sum of the seconds that count. iperf3's own sum is wrong where it leaves some out."""
    streams = [stream for interval in said["intervals"] for stream in interval["streams"]]
    counted = [it for it in streams if not it["sender"] and not it["omitted"]]
    sent = sum(it["packets"] for it in counted)
    # One that comes late counts as lost before, and is taken off again: that may be below 0.
    lost = sum((it["lost_packets"] + 2**63) % 2**64 - 2**63 for it in counted)
    if not sent or lost >= sent:
        raise MeasureError("nothing arrives")
    jitter = sum(it["jitter_ms"] for it in counted) / len(counted)
    return _Received(sent - lost, 100 * lost / sent, jitter)


@asynccontextmanager
async def _tunnel(lab: Lab, way: str, folder: Path) -> AsyncIterator[tuple[str, int]]:
    """Yields where iperf3 finds its server."""
    if way == "no tunnel":
        yield lab.server.ipv4, TARGET
        return
    both: Options = {"key": "x", "udp": True, "quiet": True}
    far = both | {"l": f":{FAR}", "t": f"127.0.0.1:{TARGET}"}
    near = both | {"l": f"127.0.0.1:{NEAR}", "r": f"{lab.server.ipv4}:{FAR}", "udpclass": way}
    server = [*kcptun_command("ours", "server"), *flags(far)]
    client = [*kcptun_command("ours", "client"), *flags(near)]
    async with (
        Resident(lab.server, server, folder, ("udp", FAR)),
        Resident(lab.client, client, folder, ("tcp", NEAR)),
    ):
        yield "127.0.0.1", NEAR


async def _iperf3(lab: Lab, host: str, port: int, seconds: int) -> dict[str, Any]:
    argv = [
        *("iperf3", "-c", host, "-p", str(port), "-u", "-b", RATE, "-l", str(SIZE), "--bidir"),
        *("-t", str(seconds), "-O", str(OMITTED), "-J", "--get-server-output"),
    ]
    process = await asyncio.create_subprocess_exec(
        *lab.client.command(*argv), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), seconds + OMITTED + 30)
    said: dict[str, Any] = json.loads(output)
    if "error" in said or "server_output_json" not in said:
        raise MeasureError(f"iperf3: {said.get('error', 'no figures')}")
    return said


def _table(links: Sequence[str], found: dict[tuple[str, str], Readings]) -> list[str]:
    heads = [f"{name}, {unit}" if unit else name for name, unit in FIGURES.items()]
    lines = ["| link | way | " + " | ".join(heads) + " |", "| --- | --- |" + " ---: |" * len(heads)]
    for link in links:
        for way in WAYS:
            values = [f"{found[link, way][name]:.3g}" for name in FIGURES]
            lines.append(f"| `{link}` | {way} | " + " | ".join(values) + " |")
    return lines


async def _main(options: argparse.Namespace) -> int:
    facts = surroundings(["blinktun", "Python"])
    facts |= {"command": "make bench-udp", "plan": f"{options.seconds} s of each"}
    links = options.links.split(";") if options.links else LINKS
    found: dict[tuple[str, str], Readings] = {}
    for link in links:
        for way in WAYS:
            with TemporaryDirectory() as folder:
                found[link, way] = await measure(link, way, options.seconds, Path(folder))
            told = ", ".join(f"{name} {value:.3g}" for name, value in found[link, way].items())
            print(f"{link}, {way}: {told}", flush=True)
    if options.record:
        text = (__doc__ or "").partition("\n\n")[2]
        head = ["# UDP over lossy links", "", "Written by `make bench-udp RECORD=1`. " + text]
        runs = ["", "## The run", "", *described(1, facts)]
        RECORD.write_text("\n".join([*head, *_table(links, found), *runs]))
    return 0


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.datagrams", description=__doc__)
    parser.add_argument("--links", default="", help="descriptions of links, with ; between them")
    parser.add_argument("--seconds", type=int, default=12, help="of each run (%(default)s)")
    parser.add_argument("--record", action="store_true", help="into docs/benchmarks")
    return asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
