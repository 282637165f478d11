"""Every test here runs on both event loops, and leaves no task."""

from __future__ import annotations

from tests.unit.loops import no_task_is_left, pytest_asyncio_loop_factories

__all__ = ["no_task_is_left", "pytest_asyncio_loop_factories"]
