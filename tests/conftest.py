"""What holds for every test."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from tests.interop.harness import processes

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_SHOWN = 6_000
"""How much of a program's log stands in the report of a failure, in characters."""

# A busy machine generates examples slowly; that says nothing about the code. In CI the examples are
# the same in every run, so that a change fails by itself or not at all.
settings.register_profile(
    "default",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize="CI" in os.environ,
)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of a test remember what it sends, and nothing of other tests."""
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path_factory.getbasetemp()}/{uuid.uuid4()}")


@pytest.fixture(autouse=True)
def _forget_programs() -> Iterator[None]:
    processes.started.clear()
    yield
    for program in processes.started:
        program.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        # The newest programs are the ones that were running when the test failed.
        for program in processes.started[-8:]:
            report.sections.append((str(program), program.log[-_SHOWN:]))
    return report
