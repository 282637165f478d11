"""A kcptun server in several processes that share one UDP port, or each of a range.

The supervisor binds as many sockets to a port as there are workers (``SO_REUSEPORT``); the kernel
deals the peers among them, by a hash of both addresses. The supervisor keeps all sockets open: when
a worker dies, the next one gets the same socket, so the hash of every other peer stays what it was
and the other workers' sessions notice nothing. The dead worker's own peers are told at once that
their sessions are unknown, and dial anew.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from blinktun._core import COUNTERS, CounterKind
from blinktun.address import Address
from blinktun.app.reporting import log_counters, snmp_logs
from blinktun.app.signals import hangup_ends, ignore_hangup
from blinktun.errors import TransportError
from blinktun.kcp.api import udp_hosts
from blinktun.net.dial import numeric
from blinktun.net.listen import bind_on_one_port, listen_failure
from blinktun.reports.snmp_log import SnmpLog, Ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blinktun.config.model import KcptunServer, PortRange

_log = logging.getLogger("blinktun")

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1)
_SHORT_LIFE = 1.0
"""A worker that dies younger than this waits so long for its successor: no spinning."""
_STATS_PATIENCE = 1.0
"""Seconds that a worker may take to say its counters."""
_MAX_REPORT = 65536
_GAUGES = frozenset(
    name for name, kind in COUNTERS.items() if kind in {CounterKind.CODED, CounterKind.FLUSHED}
)
"""Counters of one conversation: of several processes' only the largest says something."""


@dataclass(slots=True)
class Worker:
    """One place among the workers.

    Attributes:
        index: From 0.
        bound: Its UDP sockets, one a port, which outlive its processes.
        pid: The process that has the place now; 0: none.
        born: When that began, on the monotonic clock.
        control: Where it is asked for its counters.
    """

    index: int
    bound: Sequence[socket.socket]
    pid: int = 0
    born: float = 0.0
    control: socket.socket | None = None


def supervise(config: KcptunServer, work: Callable[[Worker], int]) -> int:
    """Run ``config.workers`` processes until a signal ends them; returns the exit status.

    Args:
        config: A server's configuration.
        work: What a worker does, in its own process; returns that process's exit status.

    Raises:
        TransportError: the port cannot be bound.
    """
    sockets = _bind_range(config.listen, config.workers)
    workers = [Worker(index, bound) for index, bound in enumerate(sockets)]
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    for worker in workers:
        _spawn(worker, workers, work)
    _log.info("%d workers share udp %s", len(workers), config.listen)
    status = _watch(workers, work, _snmp_report(config))
    for worker in workers:
        _close(worker.bound)
    return status


@dataclass(slots=True)
class _SnmpReport:
    """The ``snmplog`` of all workers together, and when its next line is due (monotonic clock)."""

    log: SnmpLog
    ticks: Ticks
    due: float = 0.0

    def plan(self) -> None:
        now = time.monotonic()
        self.due = now + self.ticks.wait(now)


def _snmp_report(config: KcptunServer) -> _SnmpReport | None:
    for path, period in snmp_logs([config]).items():
        report = _SnmpReport(SnmpLog(path), Ticks(period, time.monotonic()))
        report.plan()
        return report
    return None


def _watch(
    workers: Sequence[Worker], work: Callable[[Worker], int], report: _SnmpReport | None
) -> int:
    stopping = False
    while any(worker.pid for worker in workers):
        match _next_signal(workers, report):
            case signal.SIGCHLD:
                for worker, status in _reap(workers):
                    if not stopping:
                        _log.error(
                            "worker %d died (%s): the others go on, a new one takes its place",
                            worker.index,
                            status,
                        )
                        _wait_out_youth(worker)
                        _spawn(worker, workers, work)
            case signal.SIGHUP if not hangup_ends():
                ignore_hangup()
            case signal.SIGUSR1:
                log_counters(_add_up(workers))
            case number:
                stopping = True  # a second signal hurries them
                for worker in workers:
                    if worker.pid:
                        os.kill(worker.pid, signal.SIGTERM if number == signal.SIGHUP else number)
    return 0


def _next_signal(workers: Sequence[Worker], report: _SnmpReport | None) -> int:
    """Wait for a signal, and write the lines of counters that are due meanwhile."""
    while report:
        patience = max(0.0, report.due - time.monotonic())
        if signalled := signal.sigtimedwait(_SIGNALS, patience):
            return signalled.si_signo
        report.log.append(_add_up(workers))
        report.plan()
    return signal.sigwait(_SIGNALS)


def _spawn(worker: Worker, workers: Sequence[Worker], work: Callable[[Worker], int]) -> None:
    ours, theirs = socket.socketpair()
    worker.pid = os.fork()
    worker.born = time.monotonic()
    if worker.pid:
        theirs.close()
        if worker.control:
            worker.control.close()
        worker.control = ours
        return
    status = 1
    try:
        ours.close()
        for other in workers:
            if other.index != worker.index:
                _close(other.bound)
            if other.control:
                other.control.close()
        worker.control = theirs
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        status = work(worker)
    except BaseException:
        _log.exception("worker %d failed", worker.index)
    finally:
        logging.shutdown()
        os._exit(status)  # the supervisor's own ends are not the child's to run


def _reap(workers: Sequence[Worker]) -> list[tuple[Worker, str]]:
    """The workers whose processes have ended, and how."""
    ended = []
    for worker in workers:
        if not worker.pid:
            continue
        pid, status = os.waitpid(worker.pid, os.WNOHANG)
        if pid:
            worker.pid = 0
            code = os.waitstatus_to_exitcode(status)
            ended.append((worker, f"status {code}" if code >= 0 else signal.Signals(-code).name))
    return ended


def _wait_out_youth(worker: Worker) -> None:
    age = time.monotonic() - worker.born
    if age < _SHORT_LIFE:
        time.sleep(_SHORT_LIFE - age)


def _add_up(workers: Sequence[Worker]) -> dict[str, int]:
    total: dict[str, int] = {}
    for worker in workers:
        for name, value in _ask(worker).items():
            so_far = total.get(name, 0)
            total[name] = max(so_far, value) if name in _GAUGES else so_far + value
    return total


def _ask(worker: Worker) -> dict[str, int]:
    if worker.control is None or not worker.pid:
        return {}
    try:
        worker.control.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            worker.control.recv(_MAX_REPORT)  # an answer that came too late the last time
        worker.control.settimeout(_STATS_PATIENCE)
        worker.control.send(b"?")
        answer = json.loads(worker.control.recv(_MAX_REPORT))
    except (OSError, ValueError):
        _log.warning("worker %d does not say its counters", worker.index)
        return {}
    return {str(name): int(value) for name, value in answer.items()}


def _bind_range(ports: PortRange, count: int) -> list[list[socket.socket]]:
    """For each of ``count`` workers its sockets for all ports; none stays open if one fails."""
    workers: list[list[socket.socket]] = [[] for _ in range(count)]
    try:
        for address in ports.addresses:
            for worker, bound in zip(workers, _bind_all(address, count), strict=True):
                worker.extend(bound)
    except TransportError:
        for worker in workers:
            _close(worker)
        raise
    return workers


def _close(sockets: Sequence[socket.socket]) -> None:
    for bound in sockets:
        bound.close()


def _bind_all(address: Address, count: int) -> list[list[socket.socket]]:
    """For each of ``count`` workers a socket for each address of a host, all sharing one port.

    Before that comes a look whether anyone else has it. To share is all that ``SO_REUSEPORT`` asks
    for: a server that is started twice by mistake would get half of the first one's clients, and
    nobody would be told.

    Raises:
        TransportError: an address cannot be bound.
    """
    try:
        hosts = udp_hosts(address)
        alone = bind_on_one_port(address, hosts, partial(_bind_to, shared=False))
        here = Address(address.host, alone[0].getsockname()[1])
        _close(alone)
        shared = partial(_bind_to, shared=True)
        return [bind_on_one_port(here, hosts, shared) for _ in range(count)]
    except (OSError, ValueError) as error:
        raise listen_failure("udp", address, error) from error


def _bind_to(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        bound.bind(numeric(host, port)[1])
    except OSError:
        bound.close()
        raise
    return bound
