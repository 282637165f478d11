"""Both ends of a list of presets, without a network between them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from blinktun.effects import ConnectTo, Forward, Reject, Reply
from blinktun.presets.base import PresetContext, Role
from blinktun.presets.registry import PipelineMaker
from blinktun.testing.randomness import Counting

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from blinktun.address import Address
    from blinktun.config.model import PresetSpec
    from blinktun.effects import Chunk, Effect
    from blinktun.presets.pipeline import Pipeline


class PipelinePair:
    """A client's and a server's pipeline that share a key."""

    def __init__(
        self, specs: Sequence[PresetSpec], target: Address, *, key: str = "secret"
    ) -> None:
        make = PipelineMaker(specs)
        self.client: Pipeline = make(PresetContext(Role.CLIENT, key, Counting(1)))
        self.server: Pipeline = make(PresetContext(Role.SERVER, key, Counting(101)))
        self.client.set_target(target)


def forwarded(effects: Iterable[Effect]) -> bytes:
    """Join what effects forward.

    Raises:
        AssertionError: an effect rejects.
    """
    parts: list[Chunk] = []
    for effect in effects:
        match effect:
            case Forward(data):
                parts.append(data)
            case Reject(reason):
                raise AssertionError(reason)
    return b"".join(parts)


def replied(effects: Iterable[Effect]) -> bytes:
    """Join what effects send back."""
    return b"".join(effect.data for effect in effects if isinstance(effect, Reply))


def targets(effects: Iterable[Effect]) -> list[Address]:
    """Return the targets that effects ask for."""
    return [effect.target for effect in effects if isinstance(effect, ConnectTo)]


def split(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Cut data at the given places; empty pieces are left out."""
    places = [0, *sorted(cut for cut in cuts if 0 < cut < len(data)), len(data)]
    pieces = (data[start:end] for start, end in pairwise(places))
    return [piece for piece in pieces if piece]
