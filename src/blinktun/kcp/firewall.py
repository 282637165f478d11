"""Firewall rules that keep the kernel silent on a TCP connection of ours (kcptun wire, 8.9).

The kernel must not answer segments that it has not sent: its own carry a TTL (hop limit) of 1, and
a rule drops those of our connection before they leave.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from blinktun.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_log = logging.getLogger("blinktun.kcp")

TTL = 1
"""What the kernel's own segments carry."""
RIGHTS = (
    "run it as root, or with CAP_NET_RAW and CAP_NET_ADMIN"
    " (setcap cap_net_raw,cap_net_admin+ep works for one program, not for those that it runs;"
    " systemd: AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN)"
)
"""What to do about a missing right."""

Runner: TypeAlias = "Callable[[Sequence[str]], tuple[int, str]]"
"""Runs a program; returns its exit status and what it printed."""

_PATIENCE = 5.0
"""Seconds that the tool may take: it waits 1 s for its own lock."""
_SYSTEM_FOLDERS = "/usr/sbin:/sbin"
"""Users other than root seldom have them in PATH."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Drop the kernel's segments from one of our ports.

    Attributes:
        family: 4 or 6.
        port: Ours.
        host: Our address; empty: all.
        peer: The other end's address and port; None: all.
    """

    family: Literal[4, 6]
    port: int
    host: str = ""
    peer: tuple[str, int] | None = None

    @property
    def tool(self) -> str:
        """The program that manages rules of the family."""
        return "iptables" if self.family == 4 else "ip6tables"

    @property
    def words(self) -> list[str]:
        """Chain, match and target, as the tool's arguments."""
        match, name = ("ttl", "--ttl-eq") if self.family == 4 else ("hl", "--hl-eq")
        words = ["OUTPUT", "-m", match, name, str(TTL), "-p", "tcp"]
        if self.host:
            words += ["-s", self.host]
        words += ["--sport", str(self.port)]
        if self.peer:
            words += ["-d", self.peer[0], "--dport", str(self.peer[1])]
        return [*words, "-j", "DROP"]


class Fence:
    """A rule that stands until it is lifted, at the end of the process at the latest.

    One that a killed process left behind is taken over.

    Raises:
        TransportError: the tool is missing, or refuses.
    """

    def __init__(self, rule: Rule, run: Runner | None = None) -> None:
        run = run or run_tool
        if _ask(rule, "-C", run)[0] != 0:
            # In front: a rule that accepts what is established would let everything pass before.
            status, said = _ask(rule, "-I", run)
            if status != 0:
                raise TransportError(f"tcp needs a firewall rule: {rule.tool}: {said}; {RIGHTS}")
        self._lift = weakref.finalize(self, _remove, rule, run)

    def lift(self) -> None:
        """Remove the rule; a second call does nothing."""
        self._lift()


def run_tool(words: Sequence[str]) -> tuple[int, str]:
    """Run a program without a shell.

    Raises:
        TransportError: it is not installed, or does not end.
    """
    path = f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_FOLDERS}"
    program = shutil.which(words[0], path=path)
    if program is None:
        reason = f"tcp needs a firewall rule, and there is no {words[0]} here: install iptables"
        raise TransportError(reason)
    try:
        done = subprocess.run(  # noqa: S603 - our own words, no shell
            [program, *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TransportError(f"tcp needs a firewall rule: {error}") from error
    return done.returncode, done.stdout.decode(errors="replace")


def _remove(rule: Rule, run: Runner) -> None:
    try:
        status, said = _ask(rule, "-D", run)
    except TransportError as error:
        status, said = 1, str(error)
    if status != 0:
        words = " ".join(rule.words)
        _log.error("a firewall rule stays: %s -D %s: %s", rule.tool, words, said)


def _ask(rule: Rule, command: str, run: Runner) -> tuple[int, str]:
    """One command for a rule: ``-C`` is it there, ``-I`` put it first, ``-D`` remove it."""
    status, said = run([rule.tool, "-w", "1", command, *rule.words])
    lines = [line for line in said.splitlines() if line.strip()]
    return status, lines[0] if lines else f"status {status}"
