"""Whose file it is: told by its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinktun.config.explain import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blinktun.config.document import Document

KCPTUN = "kcptun"
BLINKSOCKS = "blinksocks"

_KEYS: Mapping[str, frozenset[str]] = {
    KCPTUN: frozenset({"localaddr", "remoteaddr", "listen", "target"}),
    BLINKSOCKS: frozenset({"service", "server", "servers", "presets"}),
}
"""Keys that one program has and the other has not; kcptun's match in any letter case."""
_COMMANDS: Mapping[str, str] = {
    KCPTUN: "run kcptun -c FILE, or blinktun run FILE",
    BLINKSOCKS: "run blinksocks -c FILE, or blinktun run FILE",
}
_TO_BLINKSOCKS = (
    "write a file of blinksocks with that password as its key and the presets ss-base and"
    " ss-aead-cipher (ss-stream-cipher for methods without poly1305, gcm or ccm)"
)
_FOREIGN: tuple[tuple[str, frozenset[str], str], ...] = (
    (
        "shadowsocks",
        frozenset({"server_port", "password"}),
        _TO_BLINKSOCKS,
    ),
    (
        "v2ray",
        frozenset({"inbounds", "outbounds"}),
        "write a file of blinksocks with the preset v2ray-vmess",
    ),
)
"""Programs whose files are often taken for ours: name, keys, and what to do."""


def program_of(document: Document) -> str:
    """The program that a file is for.

    Raises:
        ConfigError: it is for neither, or could be for both.
    """
    _refuse_foreign(document)
    kcptun, blinksocks = (_key_of(program, document) for program in (KCPTUN, BLINKSOCKS))
    origin = Origin(document.source)
    if kcptun and blinksocks:
        problem = f"has {kcptun} of kcptun and {blinksocks} of blinksocks"
        raise origin.error(problem, fix="keep each program's settings in a file of its own")
    if not kcptun and not blinksocks:
        problem = "is for neither kcptun nor blinksocks"
        fix = "a kcptun file has localaddr, remoteaddr, listen or target; a blinksocks file service"
        raise origin.error(problem, fix=fix)
    return KCPTUN if kcptun else BLINKSOCKS


def refuse_other_program(document: Document, program: str) -> None:
    """Refuse a file that has keys of another program alone.

    Raises:
        ConfigError: it is for another program.
    """
    _refuse_foreign(document)
    other = BLINKSOCKS if program == KCPTUN else KCPTUN
    if _key_of(other, document) and not _key_of(program, document):
        problem = f"is a file of {other} (it has {_key_of(other, document)})"
        raise Origin(document.source).error(problem, fix=_COMMANDS[other])


def _refuse_foreign(document: Document) -> None:
    for name, keys, fix in _FOREIGN:
        if keys <= document.values.keys() and not _key_of(KCPTUN, document):
            raise Origin(document.source).error(f"is a file of {name}", fix=fix)


def _key_of(program: str, document: Document) -> str | None:
    """The first key that only this program has."""
    fold = program == KCPTUN
    keys = _KEYS[program]
    return next((k for k in document.values if (k.casefold() if fold else k) in keys), None)
