"""`python -m benchmarks.hostile`: attack servers that serve meanwhile, and write the page."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interop import conftest  # noqa: F401 - raises the limit of open files
from tests.interop.harness.attack import Attack, attack
from tests.interop.harness.peers import ROOT
from tests.interop.harness.target import Target

from benchmarks.facts import surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.interop.harness.boxes import Kcptun

    Options = Mapping[str, str | float]

PAGE = ROOT / "docs" / "benchmarks" / "hostile.md"
SPOOFED_AT_GO = 5_000
"""Each makes the Go server open a connection: more would meet the limit of open files."""


@dataclass(frozen=True)
class Row:
    """One attack on one server."""

    impl: Kcptun
    crypt: str
    options: Options
    found: Attack


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("--storm", type=int, default=10_000_000, help="datagrams of each storm")
    parser.add_argument("--listen", type=int, default=60, help="seconds after spoofed openings")
    options = parser.parse_args()
    page = asyncio.run(_page(options.storm, options.listen))
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page)
    print(page)


async def _page(storm: int, listen: int) -> str:
    spoof: dict[str, str | float] = {"mode": "spoof", "listen": listen}
    # Slowly, or the Go server's queue of new sessions overflows and most openings are lost.
    few = spoof | {"count": SPOOFED_AT_GO, "sources": SPOOFED_AT_GO, "rate": 1_000}
    many = spoof | {"count": 20_000, "sources": 10_000, "rate": 20_000}
    spoofed = [
        await _row("theirs", "none", few),
        await _row("theirs", "aes", few),
        await _row("ours", "none", few),
        await _row("ours", "aes", few),
        await _row("ours", "none", many),
        await _row("ours", "aes", many | {"request": "DOWN 100000 0\\n"}),
    ]
    storms = [
        await _row("ours", crypt, {"mode": "storm", "count": storm}) for crypt in ("none", "aes")
    ]
    return (
        "# Attacked servers\n\n"
        "Written by `make soak`. A server and a client on loopback echo 300 kB again and again, "
        "every byte checked, while the port is attacked from other addresses of 127.0.0.0/8. "
        "Memory is the growth of the server's resident set over what honest use had grown it to.\n"
        "\n## Openings from spoofed addresses\n\n"
        "Each datagram opens a conversation and a stream in it, as a client's first one does, and "
        f"what comes back is counted for {listen} s. In the last row each opening also asks the "
        "target for 100,000 bytes.\n\n"
        f"{_spoof_table(spoofed)}\n"
        "## Noise, forgeries, replays\n\n"
        "A third each: noise, half of it with a right checksum; datagrams of genuine sessions with "
        "fields changed and sealed again; the same repeated. Half of the last two come from the "
        "address of the session that they were made of.\n\n"
        f"{_storm_table(storms)}\n" + "".join(_circumstances())
    )


async def _row(impl: Kcptun, crypt: str, options: Options) -> Row:
    print(time.strftime("%X"), impl, crypt, dict(options), flush=True)
    async with Target() as target:
        with tempfile.TemporaryDirectory(prefix="blinktun-soak-") as folder:
            found = await attack(impl, crypt, options, target, Path(folder))
    print(found.flooded, found.usage, found.pieces, found.dials, len(found.lines), flush=True)
    return Row(impl, crypt, options, found)


def _circumstances() -> Iterator[str]:
    facts = surroundings()
    for name, fact in (facts | facts.pop("versions")).items():
        yield f"- {name}: {fact}\n"


def _spoof_table(rows: Sequence[Row]) -> str:
    return _table(
        "server, crypt, conversations, memory MB, bytes each, bytes back per byte sent, "
        "worst source, dials of the target, log lines, honest transfers, slowest s",
        [
            (
                _name(row.impl), row.crypt, f"{row.found.flooded.sent:,}",
                f"{row.found.usage.growth / 1e6:.1f}",
                f"{row.found.usage.growth // row.found.flooded.sent:,}",
                f"{row.found.flooded.ratio:.2f}", f"{row.found.flooded.worst_ratio:.2f}",
                f"{row.found.dials:,}", f"{len(row.found.lines):,}",
                f"{row.found.pieces:,}", f"{row.found.slowest:.2f}",
            )
            for row in rows
        ],
    )  # fmt: skip


def _storm_table(rows: Sequence[Row]) -> str:
    return _table(
        "server, crypt, datagrams, seconds, memory MB, server's processor s, "
        "dials of the target, log lines, honest transfers, slowest s",
        [
            (
                _name(row.impl), row.crypt, f"{row.found.flooded.sent:,}",
                f"{row.found.flooded.seconds:.0f}", f"{row.found.usage.growth / 1e6:.1f}",
                f"{row.found.usage.cpu:.0f}", f"{row.found.dials:,}",
                f"{len(row.found.lines):,}", f"{row.found.pieces:,}", f"{row.found.slowest:.2f}",
            )
            for row in rows
        ],
    )  # fmt: skip


def _name(impl: Kcptun) -> str:
    return "blinktun" if impl == "ours" else "Go kcptun"


def _table(head: str, rows: Sequence[Sequence[str]]) -> str:
    names = head.split(", ")
    lines = [names, ["---", "---", *["---:"] * (len(names) - 2)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main()
