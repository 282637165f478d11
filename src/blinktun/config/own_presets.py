"""Names of presets that users write: modules and files (blinksocks, 4.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_IDENTIFIER = r"[^\W\d]\w*"
_MODULE = re.compile(rf"{_IDENTIFIER}(\.{_IDENTIFIER})*(:{_IDENTIFIER})?")
_CLASS = re.compile(rf"(.+):({_IDENTIFIER})")


def is_own_preset(name: str) -> bool:
    """Whether a name stands for a module (``a.b``, ``a:Class``) or for a file."""
    place, class_name = split_class(name)
    if "/" in place or "\\" in place or place.endswith((".py", ".js")):
        return True
    return bool(_MODULE.fullmatch(name)) and ("." in place or bool(class_name))


def split_class(name: str) -> tuple[str, str]:
    """Cut ``place:Class`` into its two parts; the second is empty if it is not there."""
    found = _CLASS.fullmatch(name)
    # A drive of Windows is no place, and what follows it no class.
    return (found[1], found[2]) if found and len(found[1]) > 1 else (name, "")


def from_folder(name: str, folder: Path) -> str:
    """Make the path in a name absolute; a relative one starts at the configuration's folder.

    Raises:
        ValueError: it looks like a path, and not like that of a Python file.
    """
    place, class_name = split_class(name)
    if place.endswith(".py"):
        path = str((folder / place).absolute())
        return f"{path}:{class_name}" if class_name else path
    if "/" in place or "\\" in place or place.endswith(".js"):
        raise ValueError("is no Python file")
    return name
