from __future__ import annotations

import pytest
from tests.unit.loops import no_task_is_left, pytest_asyncio_loop_factories

from blinktun.transports import h2_connection

__all__ = ["no_task_is_left", "pytest_asyncio_loop_factories"]


@pytest.fixture(autouse=True)
def _no_waiting_for_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests over HTTP/2 are handed over at once, even those without a body."""
    monkeypatch.setattr(h2_connection, "_BODY_WAIT", 0.01)
