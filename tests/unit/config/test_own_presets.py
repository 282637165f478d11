from __future__ import annotations

from pathlib import Path

import pytest

from blinktun.config.options_blinksocks import PRESETS
from blinktun.config.own_presets import from_folder, is_own_preset, split_class


@pytest.mark.parametrize(
    ("name", "place", "class_name"),
    [
        ("a.b", "a.b", ""),
        ("a.b:C", "a.b", "C"),
        ("mine:C", "mine", "C"),
        ("x.py", "x.py", ""),
        ("./x.py:C", "./x.py", "C"),
        (r"C:\x.py", r"C:\x.py", ""),
        ("C:x.py", "C:x.py", ""),
        ("./x.js", "./x.js", ""),
        ("/opt/x", "/opt/x", ""),
    ],
)
def test_names_of_modules_and_files(name: str, place: str, class_name: str) -> None:
    assert is_own_preset(name)
    assert split_class(name) == (place, class_name)


@pytest.mark.parametrize(
    "name", ["", "mine", "ss-bas", "obfs-tls1.2-tickt", "1.2", "a..b", ":C", "a b:C", *PRESETS]
)
def test_other_names(name: str) -> None:
    assert not is_own_preset(name)


def test_paths_start_at_the_folder() -> None:
    folder = Path("/etc/bs")
    assert from_folder("x.py", folder) == "/etc/bs/x.py"
    assert from_folder("./y/x.py:C", folder) == "/etc/bs/y/x.py:C"
    assert from_folder("/opt/x.py", folder) == "/opt/x.py"
    assert from_folder("a.b:C", folder) == "a.b:C"
    assert from_folder("x.py", Path()) == str(Path.cwd() / "x.py")
    for name in ("x.js", "/opt/x", r"..\x"):
        with pytest.raises(ValueError, match="is no Python file"):
            from_folder(name, folder)
