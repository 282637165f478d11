from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blinktun.errors import LabError
from blinktun.lab import slots
from blinktun.lab.slots import Slot

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The namespaces that were removed if they were there."""
    removed: list[str] = []
    monkeypatch.setattr(slots, "remove", removed.append)
    return removed


def test_labs_at_the_same_time_have_different_numbers(tmp_path: Path, removed: list[str]) -> None:
    folder = tmp_path / "labs"
    one, other = Slot(folder), Slot(folder)
    assert [one.name("client"), other.name("server")] == ["blinktun0-client", "blinktun1-server"]
    one.close()
    third = Slot(folder)
    assert third.name("client") == "blinktun0-client"
    third.close()
    other.close()
    assert list(folder.iterdir()) == []


def test_what_runs_is_left_alone_and_what_was_killed_is_removed(
    tmp_path: Path, removed: list[str]
) -> None:
    running = Slot(tmp_path)
    (tmp_path / "5").touch()  # a killed lab has no lock any more
    (tmp_path / "notes").touch()
    removed.clear()
    slot = Slot(tmp_path)
    assert removed == [f"blinktun{number}-{side}" for number in (5, 1) for side in slots.SIDES]
    slot.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "notes"]
    running.close()


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path, removed: list[str]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="file/labs"):
        Slot(tmp_path / "file" / "labs")


def test_a_number_is_free_again_when_the_system_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise LabError(name)

    monkeypatch.setattr(slots, "remove", refuse)
    with pytest.raises(LabError, match="blinktun0-client"):
        Slot(tmp_path)
    monkeypatch.setattr(slots, "remove", lambda name: None)
    slot = Slot(tmp_path)
    assert slot.name("client") == "blinktun0-client"
    slot.close()
