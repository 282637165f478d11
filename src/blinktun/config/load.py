"""From a file of either program to its role."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from blinktun.config.blinksocks import blinksocks_from_document
from blinktun.config.document import read_document
from blinktun.config.kcptun import kcptun_from_document
from blinktun.config.kinds import BLINKSOCKS, KCPTUN, program_of, refuse_other_program
from blinktun.config.options import CLIENT, SERVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blinktun.config.model import RoleConfig

KCPTUN_SIDES: Mapping[str, str | None] = {
    "kcptun": None,
    "kcptun-client": CLIENT,
    "kcptun-server": SERVER,
}
PROGRAMS = (*KCPTUN_SIDES, BLINKSOCKS)
"""What a file can be for; ``kcptun`` leaves the side to its addresses."""


def load(
    path: str | Path, *, program: str | None = None, environment: Mapping[str, str] | None = None
) -> RoleConfig:
    """Read a configuration.

    Args:
        path: A JSON file.
        program: One of `PROGRAMS`; None: its keys tell.
        environment: Where ``KCPTUN_KEY`` is looked up; None: the process's own.

    Raises:
        ConfigError: the file cannot be read or used, or might be for either program.
        ValueError: there is no such program.
    """
    if program is not None and program not in PROGRAMS:
        raise ValueError(f"{program!r} is not one of {', '.join(PROGRAMS)}")
    document = read_document(Path(path))
    if program is None:
        program = program_of(document)
    refuse_other_program(document, BLINKSOCKS if program == BLINKSOCKS else KCPTUN)
    if program == BLINKSOCKS:
        return blinksocks_from_document(document)
    environment = os.environ if environment is None else environment
    return kcptun_from_document(document, KCPTUN_SIDES[program], environment)
