"""Which cells there are: the full product in named parts, and the dimensions to pick from."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from tests.interop.matrix.cell import CRYPTS_OF_2021, Cell, Pair, Shards

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NEW_CRYPTS = ("aes-128-gcm", "null")
CRYPTS = (*CRYPTS_OF_2021, *NEW_CRYPTS)

WITH_2021: tuple[Pair, ...] = (("ours", "theirs"), ("theirs", "ours"))
WITH_2026: tuple[Pair, ...] = (("ours", "modern"), ("modern", "ours"))
OURS: Pair = ("ours", "ours")
MIXED = (*WITH_2021, *WITH_2026)

FEC: tuple[Shards, ...] = ((0, 0), (10, 3), (1, 1), (20, 5), (70, 30))
ALIKE = tuple((shards, shards) for shards in FEC)
UNLIKE: tuple[tuple[Shards, Shards], ...] = (
    *(((10, 3), (4, 2)), ((4, 2), (10, 3)), ((0, 0), (10, 3)), ((10, 3), (0, 0))),
    *(((1, 1), (70, 30)), ((20, 5), (1, 1)), ((70, 30), (20, 5))),
)
"""Client and server do not agree; each must follow the other."""

SMUX = ((1, False), (1, True), (2, False), (2, True))
"""smuxver and nocomp."""

LOSSES = (0, 5)
PADS = (7, 61, 251)
QPP_CRYPTS = ("aes", "salsa20", "none", *NEW_CRYPTS)
MTUS = (576, 900, 1200, 1350, 1500)
WINDOWS = (8, 32, 128, 1024, 8192, 32768)
BULKS = (1, 1_500, 100_000, 2_000_000, 20_000_000)

DIMENSIONS: Mapping[str, Sequence[Any]] = {
    "pair": (*MIXED, OURS),
    "crypt": CRYPTS,
    "shards": (*ALIKE, *UNLIKE),
    "smuxver": (1, 2),
    "nocomp": (False, True),
    "pads": (0, *PADS),
    "loss": LOSSES,
    "mtu": MTUS,
    "window": WINDOWS,
    "bulk": (0, 1, 1_500, 300_000),
    "auto": (False, True),
}
"""By the fields of a `Cell`; what cannot be together, `Cell.is_possible` says."""


def core() -> list[Cell]:
    """What every run tries: each cipher in each role, and the largest transfers."""
    ciphers = (Cell(pair, crypt) for pair, crypt in itertools.product((*MIXED, OURS), CRYPTS))
    pads = (Cell(pair, "aes", pads=61) for pair in WITH_2026)
    large = (
        Cell(pair, loss=loss, nocomp=True, bulk=20_000_000)
        for pair, loss in itertools.product(MIXED, LOSSES)
    )
    return _possible([*ciphers, *pads, *large, *_auto()])


def full() -> dict[str, list[Cell]]:
    """Every part of the page, by its heading."""
    parts = {
        "The kcptun of 2021: all ciphers": _product(WITH_2021, CRYPTS_OF_2021),
        "The kcptun of 2026: new ciphers": _product(WITH_2026, NEW_CRYPTS),
        "The kcptun of 2026: old ciphers": _thinned(_product(WITH_2026, CRYPTS_OF_2021)),
        "QPP": _with_pads(),
        "Ours with ours": _thinned(_product((OURS,), CRYPTS)),
        "Shards that differ": _unlike(),
        "MTU and windows": _shapes(),
        "Sizes": _sizes(),
        "Mode auto at our end": _auto(),
    }
    return {heading: _possible(cells) for heading, cells in parts.items()}


def _product(pairs: Iterable[Pair], crypts: Iterable[str]) -> list[Cell]:
    return [
        Cell(pair, crypt, shards, smuxver, nocomp, loss=loss)
        for pair, crypt, shards, (smuxver, nocomp), loss in itertools.product(
            pairs, crypts, ALIKE, SMUX, LOSSES
        )
    ]


def _thinned(cells: Sequence[Cell]) -> list[Cell]:
    # Every third: three is prime to the lengths of all lists, so that each value meets each.
    return list(cells[::3])


def _with_pads() -> list[Cell]:
    return [
        Cell(pair, crypt, smuxver=smuxver, nocomp=nocomp, pads=pads, loss=loss)
        for pair, crypt, pads, (smuxver, nocomp), loss in itertools.product(
            WITH_2026, QPP_CRYPTS, PADS, SMUX, LOSSES
        )
    ]


def _unlike() -> list[Cell]:
    return [
        Cell(pair, "aes", shards, smuxver, loss=loss, bulk=300_000)
        for pair, shards, smuxver, loss in itertools.product(MIXED, UNLIKE, (1, 2), LOSSES)
    ]


def _shapes() -> list[Cell]:
    turns = itertools.cycle(itertools.product(LOSSES, ((10, 3), (0, 0), (20, 5))))
    return [
        Cell(pair, "aes", (shards, shards), mtu=mtu, window=window, loss=loss)
        for (pair, mtu, window), (loss, shards) in zip(
            itertools.product(MIXED, MTUS, WINDOWS), turns, strict=False
        )
    ]


def _sizes() -> list[Cell]:
    return [
        Cell(pair, "aes", smuxver=smuxver, loss=loss, nocomp=smuxver == 1, bulk=bulk)
        for pair, smuxver, loss, bulk in itertools.product(MIXED, (1, 2), LOSSES, BULKS)
    ]


def _auto() -> list[Cell]:
    shards: tuple[Shards, ...] = ((0, 0), (10, 3), (70, 30))
    return [
        Cell(pair, "aes", (each, each), smuxver, loss=loss, bulk=2_000_000, auto=True)
        for pair, each, smuxver, loss in itertools.product((*MIXED, OURS), shards, (1, 2), LOSSES)
    ]


def _possible(cells: Iterable[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.is_possible]
