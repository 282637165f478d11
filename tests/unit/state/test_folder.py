"""Where state is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blinktun.state.folder import Secret, state_folder

VARIABLES = ("STATE_DIRECTORY", "XDG_STATE_HOME", "HOME")


@pytest.mark.parametrize(
    ("setting", "environment", "user", "expected"),
    [
        ("off", {"STATE_DIRECTORY": "/run/a"}, 0, None),
        ("/srv/mine", {"STATE_DIRECTORY": "/run/a"}, 0, "/srv/mine"),
        ("", {"STATE_DIRECTORY": "/run/a"}, 1000, "/run/a"),
        ("", {"STATE_DIRECTORY": "/run/a:/run/b"}, 0, "/run/a"),
        ("", {"XDG_STATE_HOME": "/x", "HOME": "/root"}, 0, "/var/lib/blinktun"),
        ("", {"XDG_STATE_HOME": "/x", "HOME": "/srv/u"}, 1000, "/x/blinktun"),
        ("", {"XDG_STATE_HOME": "x", "HOME": "/srv/u"}, 1000, "/srv/u/.local/state/blinktun"),
        ("", {"HOME": "/srv/u"}, 1000, "/srv/u/.local/state/blinktun"),
    ],
)
def test_the_folder(
    setting: str,
    environment: dict[str, str],
    user: int,
    expected: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert state_folder(setting) == (Path(expected) if expected else None)


def test_a_secret_is_made_once_and_derives_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    one, other = Secret.of(folder), Secret.of(folder)
    assert one.derive("a", b"key") == other.derive("a", b"key")
    assert len({one.derive("a", b"key"), one.derive("b", b"key"), one.derive("a", b"k")}) == 3
    assert [path.name for path in folder.iterdir()] == ["secret"]
    assert Secret.random().derive("a", b"key") != one.derive("a", b"key")


def test_a_secret_that_is_damaged_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(ValueError, match="remove it"):
        Secret.of(tmp_path)
