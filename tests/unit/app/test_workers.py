"""What a supervisor does without its processes; those are tested as programs."""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from blinktun.address import Address
from blinktun.app import workers as module
from blinktun.app.workers import Worker
from blinktun.config.model import KcptunServer, PortRange, ReportSettings
from blinktun.errors import TransportError
from blinktun.reports.snmp_log import SnmpLog, Ticks

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "", "localhost"])
def test_workers_share_one_port_and_nobody_else_does(host: str) -> None:
    sockets = module._bind_all(Address(host, 0), 3)
    try:
        addresses = {bound.getsockname()[:2] for own in sockets for bound in own}
        assert len(addresses) == (2 if host == "localhost" else 1)
        where = min(addresses)
        with pytest.raises(TransportError, match=r"cannot listen on udp .*in use"):
            module._bind_all(Address(host, where[1]), 3)
    finally:
        for own in sockets:
            module._close(own)


def test_a_port_that_is_not_shared_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        where = Address(*taken.getsockname())
        with pytest.raises(TransportError, match=f"cannot listen on udp {where}: .*in use"):
            module._bind_all(where, 2)


def test_each_worker_has_a_socket_of_each_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        last = taken.getsockname()[1]
        with pytest.raises(TransportError, match=f"udp 127.0.0.1:{last}: .*in use"):
            module._bind_range(PortRange("127.0.0.1", last - 1, last), 2)
    workers = module._bind_range(PortRange("127.0.0.1", last - 1, last), 2)
    ports = [[bound.getsockname()[1] for bound in sockets] for sockets in workers]
    for sockets in workers:
        module._close(sockets)
    assert ports == [[last - 1, last]] * 2


def test_counters_are_added_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        answers = [
            b'{"in": 1, "out": 2, "fec_shard_set": 3}',
            b'{"in": 10, "fec_shard_set": 2}',
            b"not JSON",
        ]
        asked = [_answering(Worker(n, [bound], pid=1), text) for n, text in enumerate(answers)]
        gone = Worker(3, [bound])
        total = module._add_up([*(worker for worker, _ in asked), gone])
        for worker, thread in asked:
            thread.join()
            assert worker.control
            worker.control.close()
    assert total == {"in": 11, "out": 2, "fec_shard_set": 3}
    assert caplog.messages == ["worker 2 does not say its counters"]


def test_lines_of_counters_are_written_between_signals() -> None:
    class Log(SnmpLog):
        def append(self, counters: Mapping[str, int]) -> None:
            written.append(dict(counters))
            if len(written) == 2:
                signal.raise_signal(signal.SIGUSR1)

    written: list[dict[str, int]] = []
    report = module._SnmpReport(Log("unused"), Ticks(0.05, time.monotonic()))
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        assert module._next_signal([], report) == signal.SIGUSR1
        signal.raise_signal(signal.SIGUSR1)
        assert module._next_signal([], None) == signal.SIGUSR1
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    assert written == [{}, {}]


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        (ReportSettings(), False),
        (ReportSettings(snmplog="a", snmpperiod=0), False),
        (ReportSettings(snmplog="a", snmpperiod=7), True),
    ],
)
def test_only_who_asks_for_a_file_gets_one(reports: ReportSettings, expected: bool) -> None:
    config = KcptunServer(PortRange("", 0, 0), Address("", 0), reports=reports)
    report = module._snmp_report(config)
    assert (report is not None) is expected
    assert report is None or 6 < report.due - time.monotonic() <= 7


def _answering(worker: Worker, text: bytes) -> tuple[Worker, threading.Thread]:
    worker.control, theirs = socket.socketpair()

    def answer() -> None:
        with theirs:
            theirs.recv(1)
            theirs.send(text)

    thread = threading.Thread(target=answer)
    thread.start()
    return worker, thread
