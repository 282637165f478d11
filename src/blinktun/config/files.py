"""Files that a configuration names.

A relative path in a file starts at that file's folder, wherever the program is started; on a
command line at the working directory. The originals always started at the working directory: what
is there alone is still found, with a warning.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from blinktun.config.settings import Settings


def existing_file(settings: Settings, name: str, what: str = "a PEM file") -> Path:
    """The file that an option names.

    Raises:
        ConfigError: the option is not set, or there is no such file.
    """
    text = settings.text(name)
    if not text:
        raise settings.error(name, "is missing", fix=f"write the path of {what}")
    path = input_path(settings, name, text)
    if not os.path.isfile(path):  # noqa: PTH113 - is_file() raises for what cannot be a name
        raise settings.error(name, "is no file", fix=f"put it at {path.absolute()}")
    return path


def input_path(settings: Settings, name: str, text: str) -> Path:
    """Where a file is that is read; it need not exist."""
    return _chosen(settings, name, text, lambda here, there: not here.exists() and there.exists())


def output_path(settings: Settings, name: str) -> Path | None:
    """Where a file is that is written; None if the option is empty.

    The working directory is taken if such a file is there alone, or if the folder of the
    configuration cannot be written to, as under a service manager.
    """
    text = settings.text(name)
    return _chosen(settings, name, text, _belongs_in_working_directory) if text else None


def _belongs_in_working_directory(here: Path, there: Path) -> bool:
    if _has_logs(here) or not os.access(there.parent, os.W_OK):
        return False
    return _has_logs(there) or not os.access(here.parent, os.W_OK)


def _has_logs(path: Path) -> bool:
    """Whether a file is there, or one of its days."""
    return path.exists() or any(path.parent.glob(f"{path.name}.????-??-??"))


def _chosen(
    settings: Settings, name: str, text: str, prefers_there: Callable[[Path, Path], bool]
) -> Path:
    """The path beside the file that names it, unless that in the working directory is preferred."""
    source = settings.source_of(name)
    if source is None or "\0" in text:
        return Path(text)
    here, there = Path(source).parent / text, Path(text)
    if here.absolute() == there.absolute() or not prefers_there(here, there):
        return here
    settings.warnings.append(
        f"{name} is taken from the working directory, as in the original, and not from the folder"
        f" of {Path(source).name}: write {there.absolute()}"
    )
    return there
