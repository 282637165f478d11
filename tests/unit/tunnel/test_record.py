from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext

import pytest

from blinktun.address import Address
from blinktun.errors import AccessDenied, RemoteError, TransportError
from blinktun.relay.relay import Traffic
from blinktun.testing.scripted import ScriptedStream
from blinktun.tunnel.record import Record


def test_the_line_of_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    total = Traffic()
    record = Record("192.0.2.1:5", total)
    record.traffic.add(up=3, down=4)
    record.log_end("left")
    record.log_end("and never again")
    record = Record("192.0.2.1:5", total)
    record.target = Address("example.com", 80)
    record.log_end("closed")
    first, second = caplog.messages
    assert first.startswith("192.0.2.1:5 -> ?: 3 bytes up, 4 bytes down, 0.0")
    assert first.endswith(" s, left")
    assert second.startswith("192.0.2.1:5 -> example.com:80: ")
    assert (total.up, total.down) == (3, 4)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (None, "closed"),
        (TransportError("reset"), "reset"),
        (AccessDenied("banned"), "banned"),
        (RemoteError("bad tag"), "refused: bad tag"),
        (asyncio.CancelledError(), "stopped"),
        (ZeroDivisionError(), "failed"),
    ],
)
def test_how_a_connection_ends(
    error: BaseException | None, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stream = ScriptedStream()
    passes_on = error is not None and not isinstance(error, (TransportError, AccessDenied))
    expected = pytest.raises(type(error)) if passes_on and error else nullcontext()
    with expected, Record("peer", Traffic()).ending(stream):
        if error:
            raise error
    assert caplog.messages[0].endswith(f" s, {line}")
    assert stream.aborted is (error is not None and not isinstance(error, RemoteError))


def test_the_steps_of_a_connection_are_written_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    record = Record("192.0.2.1:5", Traffic())
    for level in (logging.INFO, logging.DEBUG):
        caplog.set_level(level)
        record.step("the presets have named a target")
    record.traffic.add(up=1)
    assert record.traffic.first_down is None
    record.traffic.add(down=1)
    record.log_end("closed")
    step, first, _end = caplog.messages
    assert "192.0.2.1:5 -> ?: the presets have named a target after 0.0" in step
    assert "the first byte came back after 0.0" in first
