"""Few cells that hold every pair of values that any two dimensions can have together.

Most failures need one or two particular values. A few hundred cells find those; which ones they
are beyond that depends on the seed, so that many runs see much of the product.
"""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

from tests.interop.matrix.cell import Cell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Values = tuple[tuple[str, Any], tuple[str, Any]]
"""Two fields of a cell with their values."""

_COMPLETIONS = 30
_TRIALS = 300


def pairwise(dimensions: Mapping[str, Sequence[Any]], seed: int) -> list[Cell]:
    """Possible cells, in which every possible pair of values occurs."""
    chance = random.Random(seed)
    wanted = sorted(_all_pairs(dimensions), key=str)
    chance.shuffle(wanted)
    # The order is the seed's; a set would bring its own.
    uncovered = dict.fromkeys(wanted)
    chosen = []
    while uncovered:
        candidates = _completions(next(iter(uncovered)), dimensions, chance)
        if not candidates:
            del uncovered[next(iter(uncovered))]
            continue
        best = max(candidates, key=lambda cell: sum(pair in uncovered for pair in pairs_of(cell)))
        chosen.append(best)
        for pair in pairs_of(best):
            uncovered.pop(pair, None)
    return chosen


def pairs_of(cell: Cell) -> list[Values]:
    """All pairs of values in a cell."""
    return list(itertools.combinations(vars(cell).items(), 2))


def _all_pairs(dimensions: Mapping[str, Sequence[Any]]) -> list[Values]:
    return [
        ((one, first), (other, second))
        for one, other in itertools.combinations(dimensions, 2)
        for first, second in itertools.product(dimensions[one], dimensions[other])
    ]


def _completions(
    pair: Values, dimensions: Mapping[str, Sequence[Any]], chance: random.Random
) -> list[Cell]:
    """Some possible cells that hold the pair; none if it is not possible."""
    found: list[Cell] = []
    for _ in range(_TRIALS):
        values = {name: chance.choice(choices) for name, choices in dimensions.items()}
        cell = Cell(**(values | dict(pair)))
        if cell.is_possible:
            found.append(cell)
        if len(found) == _COMPLETIONS:
            break
    return found
