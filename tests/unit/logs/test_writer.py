"""What a destination cannot take is dropped and counted, and holds nothing up."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from blinktun.logs import writer as logs_writer
from blinktun.logs.lines import GoFormatter
from blinktun.logs.writer import MAX_QUEUED, LineWriter, QueuedHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class StuckSink:
    """Takes nothing until ``free`` is set; fails while ``error`` is."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.entered = threading.Event()
        self.error: OSError | None = None
        self.data = b""
        self.writes = 0
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes += 1
        self.entered.set()
        self.free.wait()
        if self.error:
            raise self.error
        self.data += data

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def sink() -> Iterator[StuckSink]:
    made = StuckSink()
    yield made
    made.error = None
    made.free.set()


@pytest.fixture
def writer(sink: StuckSink) -> LineWriter:
    return LineWriter(sink, lambda lost, reason: f"{lost} lost: {reason}")


def test_lines_arrive_in_their_order(sink: StuckSink, writer: LineWriter) -> None:
    sink.free.set()
    for number in range(1000):
        writer.offer(f"{number}")
    writer.close()
    assert sink.data.split() == [b"%d" % number for number in range(1000)]
    assert sink.closed


@pytest.mark.parametrize("end", [LineWriter.flush, LineWriter.pause, LineWriter.close])
def test_lines_are_gathered_until_somebody_waits_for_them(
    end: Callable[[LineWriter], None],
    sink: StuckSink,
    writer: LineWriter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs_writer, "_GATHERING", 1000)
    monkeypatch.setattr(logs_writer, "_SPAN", 1000)
    monkeypatch.setattr(logs_writer, "_EAGER", 3)
    sink.free.set()
    for number in range(4):
        sink.entered.clear()
        writer.offer(f"{number}")
        assert sink.entered.wait(10)
    for number in range(100):
        writer.offer(f"{number}")
    end(writer)
    assert (sink.writes, len(sink.data.split())) == (5, 104)


def test_a_reader_that_has_stopped_costs_lines_and_no_time(
    sink: StuckSink, writer: LineWriter
) -> None:
    writer.offer("first")
    assert sink.entered.wait(10)  # the writer's thread stands now
    line = "x" * 1023
    for _ in range(2 * MAX_QUEUED // len(line)):
        writer.offer(line)
    kept = MAX_QUEUED // len(line)
    assert writer.dropped == 2 * MAX_QUEUED // len(line) - kept
    sink.free.set()
    writer.flush(10)
    writer.offer("last")
    writer.flush(10)
    lines = sink.data.decode().splitlines()
    lost = f"{writer.dropped} lost: the lines could not be written as fast as they came"
    assert lines == ["first", lost, *[line] * kept, "last"]


def test_a_full_disk_costs_lines_and_says_so_when_there_is_room(
    sink: StuckSink, writer: LineWriter
) -> None:
    sink.free.set()
    sink.error = OSError(28, "No space left on device")
    for line in ("one", "two"):
        writer.offer(line)
        writer.flush(10)
    assert writer.dropped == 2
    sink.error = None
    writer.offer("three")
    writer.flush(10)
    assert sink.data.decode().splitlines() == ["2 lost: No space left on device", "three"]
    assert writer.dropped == 2


def test_the_end_of_the_process_does_not_wait_for_what_is_stuck(
    sink: StuckSink, writer: LineWriter
) -> None:
    writer.offer("first")
    assert sink.entered.wait(10)
    writer.close()  # after its own patience
    assert not sink.closed


def test_a_writer_goes_on_after_a_pause(sink: StuckSink, writer: LineWriter) -> None:
    sink.free.set()
    writer.pause()  # before there was anything to write
    writer.offer("one")
    writer.pause()
    assert sink.data == b"one\n"
    writer.offer("two")
    writer.close()
    assert sink.data == b"one\ntwo\n"


def test_a_handler_reports_dropped_lines_as_a_record(sink: StuckSink) -> None:
    handler = QueuedHandler(sink, GoFormatter())
    logger = logging.getLogger("a test of the writer")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    sink.free.set()
    sink.error = OSError(28, "No space left on device")
    logger.info("one")
    handler.flush()
    sink.error = None
    logger.info("two")
    handler.close()
    first, second = sink.data.decode().splitlines()
    assert first.endswith(" warning: 1 log lines were dropped: No space left on device")
    assert second.endswith(" two")


FORKS = """
import logging, os, signal, sys
from blinktun import logs
logs.set_up([])
log = logging.getLogger("blinktun")
log.info("before")
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
os.kill(os.getpid(), signal.SIGTERM)  # ends the process if any thread takes it
pid = os.fork()
log.info("child" if pid == 0 else "parent")
if pid:
    os.waitpid(pid, 0)
logging.shutdown()
os._exit(signal.sigwait([signal.SIGTERM]) != signal.SIGTERM if pid else 0)
"""


def test_forked_processes_log_and_signals_are_left_to_the_main_thread() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKS],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    words = sorted(line.split()[-1] for line in ran.stderr.splitlines())
    assert words == ["before", "child", "parent"]


STUCK = """
import logging, os, sys
from blinktun import logs
from blinktun.config.model import BlinksocksServer, ServerLink
from blinktun.address import Address
logs.set_up([BlinksocksServer(ServerLink("tcp", Address("h", 1), "k"))])
for _ in range(3000):
    logging.getLogger("blinktun").info("x" * 100)
os.write(2, b"done")
"""


def test_a_process_whose_output_is_not_read_goes_on_and_ends() -> None:
    reading, writing = os.pipe()
    try:
        ran = subprocess.run(
            [sys.executable, "-c", STUCK],
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
        os.close(reading)
    assert (ran.returncode, ran.stderr) == (0, b"done")


def test_a_reader_that_is_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ran = subprocess.run(
            [sys.executable, "-c", STUCK],
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert (ran.returncode, ran.stderr) == (0, b"done")
