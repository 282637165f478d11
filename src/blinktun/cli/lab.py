"""``blinktun lab``: a link to try programs on, and what it has carried."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TextIO

from blinktun import app, lab
from blinktun.cli.common import say
from blinktun.config.explain import COMMAND_LINE, Origin, shown
from blinktun.errors import ConfigError, LabError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_FOUND = 127
"""Exit status of shells for a command that does not exist."""
_KILLED = 128
"""What shells add to the number of the signal that ended a command."""
_HEADS = {
    "packets": "sent",
    "bytes": "sent_bytes",
    "arrived": "delivered",
    "lost": "lost",
    "queue full": "dropped",
    "too long": "too_long",
}
"""The columns for people, and the figures in them."""
_FIGURES = (
    *("sent", "sent_bytes", "delivered", "delivered_bytes"),
    *("lost", "dropped", "dropped_bytes", "too_long"),
)


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asks for.

    Attributes:
        name: The description as it was written.
        link: What it means.
        command: What to run; empty: nothing.
        side: Where to run it.
        json: Whether the counts are printed as JSON.
    """

    name: str
    link: lab.Link
    command: Sequence[str]
    side: Literal["client", "server"]
    json: bool


def main(arguments: Sequence[str]) -> int:
    """Make a lab, and remove it at its end; returns the exit status.

    Raises:
        ConfigError: the arguments describe no lab.
    """
    order = parse(arguments)
    if order.command and shutil.which(order.command[0]) is None:
        print(f"blinktun lab: there is no program {order.command[0]}", file=sys.stderr)
        return _NOT_FOUND
    try:
        return app.run_in_loop(_obey(order))
    except LabError as error:
        print(f"blinktun lab: {error}", file=sys.stderr)
        return app.START_FAILED


def parse(arguments: Sequence[str]) -> Order:
    """What the arguments ask for.

    Raises:
        ConfigError: they cannot be understood.
    """
    ours, separator, command = _split(arguments)
    if separator and not command:
        raise Origin(COMMAND_LINE, "--").error(
            "is not followed by a command", fix="write -- COMMAND, or leave -- out"
        )
    flags = [word for word in ours if word.startswith("-")]
    words = " ".join(word for word in ours if not word.startswith("-")).split()
    for flag in flags:
        if flag not in {"--json", "--client", "--server"}:
            fix = "flags of lab: --json, --client, --server; a command stands behind --"
            raise Origin(COMMAND_LINE, flag).error("is no argument of lab", fix=fix)
    if {"--client", "--server"} <= set(flags):
        problem, fix = "cannot both be asked for", "choose one"
        raise Origin(COMMAND_LINE, "--client and --server").error(problem, fix=fix)
    if not words:
        fix = f"write one of {', '.join(lab.LINKS)}, or key=value ..."
        raise Origin(COMMAND_LINE, "lab").error("names no link", fix=fix)
    return Order(
        name=" ".join(words),
        link=_link(words),
        command=command,
        side="server" if "--server" in flags else "client",
        json="--json" in flags,
    )


def keys_and_links() -> str:
    """The part of the help page that says how links are described."""
    rows = [("  link", "what it is")]
    for name, (words, summary) in lab.LINKS.items():
        rows += [(f"  {name}", summary), ("", words)]
    rows += [("", ""), ("  key=value", "what it does")]
    rows += [(f"  {key}={example}", does) for key, (example, does) in lab.LINK_KEYS.items()]
    width = max(len(left) for left, _ in rows) + 2
    return "\n".join(f"{left:<{width}}{right}".rstrip() for left, right in rows)


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], bool, Sequence[str]]:
    if "--" not in arguments:
        return arguments, False, ()
    at = arguments.index("--")
    return arguments[:at], True, arguments[at + 1 :]


def _link(words: Sequence[str]) -> lab.Link:
    try:
        return lab.Link(*words)
    except ConfigError as error:
        where = (error.key, shown(error.value)) if error.key else (shown(error.value),)
        raise Origin(COMMAND_LINE, *where).error(error.problem, fix=error.fix) from None


async def _obey(order: Order) -> int:
    signals = _watch()
    with lab.Lab(order.link) as running:
        began = time.monotonic()
        if order.command:
            status = await _run(running, order, signals)
        else:
            _introduce(running, order)
            await signals.get()
            status = 0
        _report(running.counts, order, time.monotonic() - began)
    return status


def _watch() -> asyncio.Queue[signal.Signals]:
    """The signals that would end the program, from now on."""
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as SIGHUP is under nohup
            loop.add_signal_handler(number, signals.put_nowait, number)
    return signals


async def _run(running: lab.Lab, order: Order, signals: asyncio.Queue[signal.Signals]) -> int:
    """Run the command on its side; returns its exit status."""
    host = running.server if order.side == "server" else running.client
    names = {"LAB_CLIENT": running.client.namespace, "LAB_SERVER": running.server.namespace}
    process = await asyncio.create_subprocess_exec(
        *host.command(*order.command), env={**os.environ, **names}
    )
    passing = asyncio.create_task(_pass_on(signals, process))
    status = await process.wait()
    passing.cancel()
    return status if status >= 0 else _KILLED - status


async def _pass_on(
    signals: asyncio.Queue[signal.Signals], process: asyncio.subprocess.Process
) -> None:
    """Tell the command to end, and kill it the second time."""
    told = False
    while True:
        number = await signals.get()
        if number == signal.SIGINT:
            continue  # the terminal has sent it to the command too
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL if told else number)
        told = True


def _introduce(running: lab.Lab, order: Order) -> None:
    client, server = running.client, running.server
    lines = [f"The link {order.name}: {' '.join(running.link.words)}", ""]
    for side, host in (("client", client), ("server", server)):
        lines.append(f"  {side}  {host.namespace}  {host.ipv4}  {host.ipv6}".rstrip())
    lines += [
        "",
        "Try it as root, in other terminals:",
        "",
        f"  ip netns exec {client.namespace} ping {server.ipv4}",
        f"  ip netns exec {server.namespace} kcptun-server -l :29900 -t 127.0.0.1:80",
        f"  ip netns exec {client.namespace} kcptun-client -l :12948 -r {server.ipv4}:29900",
        f"  ip netns exec {client.namespace} bash",
        "",
        "Ctrl-C shows what the link has carried, and removes all of this.",
    ]
    print("\n".join(lines), file=_people(order), flush=True)


def _report(counts: lab.Counts, order: Order, seconds: float) -> None:
    ways = {"up": _figures(counts.up), "down": _figures(counts.down)}
    if order.json:
        facts = {"link": order.name, "words": order.link.words, "seconds": round(seconds, 3)}
        say(json.dumps({**facts, **ways}))
        return
    lines = ["", f"{f'{seconds:.1f} s':<8}" + "".join(f"{head:>14}" for head in _HEADS)]
    for way, figures in ways.items():
        known = (figures[name] for name in _HEADS.values())
        lines.append(f"{way:<8}" + "".join(f"{figure:>14,}" for figure in known))
    lines.append("up: to the server; lost: for any reason, a full queue or length included")
    print("\n".join(lines), file=_people(order), flush=True)


def _figures(counts: lab.LinkCounts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in _FIGURES}


def _people(order: Order) -> TextIO:
    """Where people read, if standard output belongs to the command or to JSON."""
    return sys.stderr if order.json or order.command else sys.stdout
