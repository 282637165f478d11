"""Every test here talks with real programs."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.interop.harness.target import Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_HERE = Path(__file__).parent
_tables: list[str] = []


# A thousand streams are two thousand sockets here; the programs inherit the limit.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.interop)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # INTEROP_ROUNDS=20 repeats every test: what depends on chance shows then.
    rounds = int(os.environ.get("INTEROP_ROUNDS", "1"))
    if rounds > 1:
        metafunc.fixturenames.append("round_number")
        metafunc.parametrize("round_number", range(rounds))


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    async with Target() as server:
        yield server


@pytest.fixture
def matrix_report() -> list[str]:
    """Tables to show behind the last test, whatever the verdict."""
    return _tables


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _tables:
        terminalreporter.section("kcptun matrix")
        terminalreporter.write("\n".join(_tables))
