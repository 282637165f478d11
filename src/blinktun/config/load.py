"""From a file of either program to its role."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from blinktun.config.blinksocks import blinksocks_from_document
from blinktun.config.document import read_document
from blinktun.config.explain import Origin
from blinktun.config.kcptun import ROLE_OF_ADDRESS, kcptun_from_document
from blinktun.config.options import CLIENT, SERVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blinktun.config.document import Document
    from blinktun.config.model import RoleConfig

KCPTUN_SIDES: Mapping[str, str | None] = {
    "kcptun": None,
    "kcptun-client": CLIENT,
    "kcptun-server": SERVER,
}
BLINKSOCKS = "blinksocks"
PROGRAMS = (*KCPTUN_SIDES, BLINKSOCKS)
"""What a file can be for; ``kcptun`` leaves the side to its addresses."""

_BLINKSOCKS_KEYS = frozenset({"service", "server", "servers", "presets"})


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
    program = program or _detect(document)
    if program == BLINKSOCKS:
        return blinksocks_from_document(document)
    environment = os.environ if environment is None else environment
    return kcptun_from_document(document, KCPTUN_SIDES[program], environment)


def _detect(document: Document) -> str:
    """The program whose keys are there; kcptun's match in any letter case."""
    kcptun = next((key for key in document.values if key.casefold() in ROLE_OF_ADDRESS), None)
    blinksocks = next((key for key in document.values if key in _BLINKSOCKS_KEYS), None)
    origin = Origin(document.source)
    if kcptun and blinksocks:
        problem = f"has {kcptun} of kcptun and {blinksocks} of blinksocks"
        raise origin.error(problem, fix="keep each program's settings in a file of its own")
    if not kcptun and not blinksocks:
        problem = "is for neither kcptun nor blinksocks"
        fix = "a kcptun file has localaddr, remoteaddr, listen or target; a blinksocks file service"
        raise origin.error(problem, fix=fix)
    return "kcptun" if kcptun else BLINKSOCKS
