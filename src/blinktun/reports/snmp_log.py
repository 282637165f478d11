"""The file of ``snmplog``: a line of counters every ``snmpperiod`` seconds (kcptun wire, 9.2)."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import time
from typing import TYPE_CHECKING

from blinktun.reports.counters import COLUMNS, csv_line
from blinktun.reports.go_time import format_go_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_log = logging.getLogger("blinktun")

_MODE = 0o666
"""As Go's; the umask takes away what it takes away."""
_LONGEST_HEADER = 4096
"""Bytes of a file in which its header is looked for."""


class SnmpLog:
    """One ``snmplog``, whose file is named anew for each line.

    Args:
        path: The directory is literal, the name of the file a Go time pattern.
    """

    def __init__(self, path: str) -> None:
        self._folder, self._pattern = os.path.split(path)
        self._failed = False

    def file_at(self, moment: dt.datetime) -> str:
        """The path of the file that a line of ``moment`` belongs into."""
        # os.path, for the text of the directory stays as it was written.
        return os.path.join(self._folder, format_go_time(self._pattern, moment))  # noqa: PTH118

    def append(self, counters: Mapping[str, int]) -> None:
        """Append one line now; that the file cannot be written is logged once, until it can."""
        now = dt.datetime.now().astimezone()
        path = self.file_at(now)
        try:
            _append(path, counters, int(now.timestamp()))
        except (OSError, ValueError) as error:
            if not self._failed:
                reason = getattr(error, "strerror", None) or error
                _log.error("snmplog %s: %s; tried again each period", path, reason)
            self._failed = True
        else:
            self._failed = False


async def keep_snmp_log(
    log: SnmpLog, period: int, counters: Callable[[], Mapping[str, int]]
) -> None:
    """Append a line every ``period`` seconds until cancelled; a slow disk holds up no one else."""
    ticks = Ticks(period, time.monotonic())
    while True:
        await asyncio.sleep(ticks.wait(time.monotonic()))
        await asyncio.to_thread(log.append, counters())


class Ticks:
    """Moments ``period`` seconds apart on the monotonic clock; missed ones are left out."""

    def __init__(self, period: float, now: float) -> None:
        self._period = period
        self._next = now + period

    def wait(self, now: float) -> float:
        """Seconds until the next moment, which is taken for reached when this is asked again."""
        missed = max(0, (now - self._next) // self._period + 1)
        moment = self._next + missed * self._period
        self._next = moment + self._period
        return moment - now


def _append(path: str, counters: Mapping[str, int], now: int) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(path, flags, _MODE)
    try:
        text = ""
        columns: Sequence[str] = COLUMNS
        if os.fstat(descriptor).st_size == 0:
            text = ",".join(COLUMNS) + "\n"
        else:
            columns = _columns_of(os.pread(descriptor, _LONGEST_HEADER, 0))
        os.write(descriptor, (text + csv_line(columns, counters, now)).encode())
    finally:
        os.close(descriptor)


def _columns_of(beginning: bytes) -> Sequence[str]:
    """The header of a file that another build began, which later lines have to keep to."""
    header, line_feed, _ = beginning.partition(b"\n")
    columns = header.decode("utf-8", "replace").split(",")
    return columns if line_feed and columns[0] == "Unix" else COLUMNS
