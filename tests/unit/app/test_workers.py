"""What a supervisor does without its processes; those are tested as programs."""

from __future__ import annotations

import logging
import socket
import threading

import pytest

from blinktun.address import Address
from blinktun.app import workers as module
from blinktun.app.workers import Worker, log_counters
from blinktun.errors import TransportError


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", ""])
def test_workers_share_one_port_and_nobody_else_does(host: str) -> None:
    sockets = module._bind_all(Address(host, 0), 3)
    try:
        (where,) = {bound.getsockname()[:2] for bound in sockets}
        with pytest.raises(TransportError, match=r"cannot listen on udp .*in use"):
            module._bind_all(Address(host, where[1]), 3)
    finally:
        for bound in sockets:
            bound.close()


def test_a_port_that_is_not_shared_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        where = Address(*taken.getsockname())
        with pytest.raises(TransportError, match=f"cannot listen on udp {where}: .*in use"):
            module._bind_all(where, 2)


def test_counters_are_added_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        answers = [
            b'{"in": 1, "out": 2, "fec_shard_set": 3}',
            b'{"in": 10, "fec_shard_set": 2}',
            b"not JSON",
        ]
        asked = [_answering(Worker(n, bound, pid=1), text) for n, text in enumerate(answers)]
        gone = Worker(3, bound)
        total = module._add_up([*(worker for worker, _ in asked), gone])
        for worker, thread in asked:
            thread.join()
            assert worker.control
            worker.control.close()
    assert total == {"in": 11, "out": 2, "fec_shard_set": 3}
    log_counters(total)
    assert caplog.messages == [
        "worker 2 does not say its counters",
        "KCP SNMP: in:11 out:2 fec_shard_set:3",
    ]


def _answering(worker: Worker, text: bytes) -> tuple[Worker, threading.Thread]:
    worker.control, theirs = socket.socketpair()

    def answer() -> None:
        with theirs:
            theirs.recv(1)
            theirs.send(text)

    thread = threading.Thread(target=answer)
    thread.start()
    return worker, thread
