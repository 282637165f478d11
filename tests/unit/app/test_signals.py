from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.unit.waiting import until

from blinktun.app import signals
from blinktun.app.signals import hangup_ends, watch_signals

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def watched() -> Iterator[asyncio.Event]:
    """The signals of this process, as a program watches them."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup may have set another
    try:
        yield watch_signals()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_what_ends_a_program(number: signal.Signals) -> None:
    with watched() as stop:
        os.kill(os.getpid(), number)
        async with asyncio.timeout(10):
            await stop.wait()


async def test_a_terminal_that_closes_ends_its_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "hangup_ends", lambda: True)
    with watched() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(10):
            await stop.wait()


async def test_a_service_goes_on_at_sighup(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(signals, "hangup_ends", lambda: False)
    with watched() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: "SIGHUP is ignored" in caplog.text)
        assert not stop.is_set()


async def test_what_nohup_ignores_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = watch_signals()
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert not stop.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)


def test_a_terminal_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def no_terminal(path: str, flags: int) -> int:
        assert path == "/dev/tty"
        raise OSError("no such device")

    monkeypatch.setattr(os, "open", no_terminal)
    assert not hangup_ends()
    monkeypatch.setattr(os, "open", lambda _path, flags: real(os.devnull, flags))
    assert hangup_ends()
