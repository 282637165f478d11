"""Files that a configuration names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blinktun.config.settings import Settings


def existing_file(settings: Settings, name: str, what: str = "a PEM file") -> Path:
    """The file that an option names.

    Raises:
        ConfigError: the option is not set, or there is no such file.
    """
    text = settings.text(name)
    if not text:
        raise settings.error(name, "is missing", fix=f"write the path of {what}")
    if not os.path.isfile(text):  # noqa: PTH113 - is_file() raises for what cannot be a name
        raise settings.error(name, "is no file", fix=f"put it at {Path(text).absolute()}")
    return Path(text)
