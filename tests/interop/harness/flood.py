"""The attacker: `rust/blinktun-io/examples/flood`, built when first needed."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interop.harness.peers import ROOT
from tests.interop.harness.processes import output_of

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT = 1_800.0
"""Seconds after which an attack is over, whatever happens."""


@dataclass(frozen=True)
class Flooded:
    """What an attack sent and what came back.

    Attributes:
        sent: Datagrams.
        sent_bytes: Their UDP payload.
        seconds: How long the sending took.
        received: Datagrams that came back to the source addresses.
        received_bytes: Their UDP payload.
        ratio: Bytes back for each byte sent from these addresses.
        worst_ratio: The same of the address that got the most.
    """

    sent: int
    sent_bytes: int
    seconds: float
    received: int
    received_bytes: int
    ratio: float
    worst_ratio: float


async def flood(port: int, options: Mapping[str, str | float]) -> Flooded:
    """Attack the port `port` of this machine; the options are those of the program."""
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    attacker = await asyncio.to_thread(program)
    said = await output_of(attacker, "--to", f"127.0.0.1:{port}", *words, within=LIMIT)
    return Flooded(**json.loads(said))


@cache
def program() -> Path:
    """The attacker's path; builds it."""
    command = ("cargo", "build", "--locked", "--quiet", "--release", "--package", "blinktun-io")
    built = subprocess.run(
        (*command, "--example", "flood", "--message-format", "json"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    messages = map(json.loads, built.stdout.splitlines())
    return next(Path(message["executable"]) for message in messages if message.get("executable"))
