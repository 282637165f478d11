"""Commands are run in the process, with the roles themselves left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blinktun import app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blinktun.config import RoleConfig


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[RoleConfig]:
    """What a command handed to ``blinktun.app.run``, which returns 7 here."""
    seen: list[RoleConfig] = []

    def run(configs: Sequence[RoleConfig]) -> int:
        seen.extend(configs)
        return 7

    monkeypatch.setattr(app, "run", run)
    return seen


@pytest.fixture(autouse=True)
def _no_key_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test inherits the key of the machine it runs on."""
    monkeypatch.delenv("KCPTUN_KEY", raising=False)
