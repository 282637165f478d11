"""Every test here has machines of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.netns.bed import Bed, Routed

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.netns)


@pytest.fixture
def bed() -> Iterator[Bed]:
    """Machines that a test makes; they are gone behind it."""
    with Bed() as bed:
        yield bed


@pytest.fixture
def routed(bed: Bed) -> Routed:
    """A client, a router, and a server with two addresses of each family."""
    return Routed(bed)
