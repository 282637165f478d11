"""What no test may leave to the next."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from blinktun import logs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_log_is_left() -> Iterator[None]:
    """Destinations that a test set up are closed, and records reach pytest again."""
    yield
    logger = logging.getLogger(logs.ROOT)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(logging.NOTSET)
    logger.propagate = True
