from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from blinktun.address import Address
from blinktun.tunnel.record import Record
from blinktun.tunnel.relay import Traffic

if TYPE_CHECKING:
    import pytest


def test_the_line_of_a_connection(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    total = Traffic()
    record = Record("192.0.2.1:5", total)
    record.traffic.add(up=3, down=4)
    record.log_end("left")
    record.target = Address("example.com", 80)
    record.log_end("closed")
    first, second = caplog.messages
    assert first.startswith("192.0.2.1:5 -> ?: 3 bytes up, 4 bytes down, 0.0")
    assert first.endswith(" s, left")
    assert second.startswith("192.0.2.1:5 -> example.com:80: ")
    assert (total.up, total.down) == (3, 4)
